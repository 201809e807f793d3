"""A build as its provenance records it, asked for again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lading.build.convert.source_files import FILE, Named
from lading.build.dockerfile.parser import MAX_SIZE
from lading.build.graph.executor import Network
from lading.build.graph.request import BuildRequest
from lading.build.graph.steps.step_operations import StepSettings
from lading.store.archives.compression import Compression
from lading.store.errors import DocumentError, InputError, Remedy
from lading.store.fastclass import dataclass
from lading.store.oci.digests import Digest
from lading.store.oci.json import Fields
from lading.verify.documents.provenance import DOCKERFILE_BUILD, Provenance

DOCKERFILE: Final = "dockerfile"
"""The name of the Dockerfile among the dependencies of a provenance, which hold its text."""
MAX_RECORDED: Final = 1 << 20
"""Bytes of a Dockerfile whose text a provenance holds."""
_KNOWN: Final = frozenset(
    {"dockerfile", "syntax", "buildArgs", "target", "labels", "annotations", "platform", "epoch", "contextModes"}
    | {"network", "networkRecord", "hosts", "shmSize", "ulimits"},
)
_PROXIES: Final = frozenset(f"{kind}_proxy" for kind in ("http", "https", "ftp", "no", "all"))
"""Arguments that steps see and that no image depends on."""


@dataclass(frozen=True, slots=True)
class RecordedBuild:
    """What a provenance says of a build from a Dockerfile."""

    provenance: Provenance

    @property
    def context(self) -> Digest | None:
        """The root of the tree of what was used of the context, None where nothing was."""
        return self._dependency("context")

    @property
    def encoder(self) -> str:
        """Who compressed the layers."""
        return Fields(dict(self.provenance.internal), "internalParameters").optional_text("encoder") or ""

    def request(self, folder: Path, given: Mapping[str, str]) -> BuildRequest:
        """The same build, of the context in `folder`; `given` are values that the provenance withholds.

        Raises `InputError` for what cannot be asked for again.
        """
        if self.provenance.build_type != DOCKERFILE_BUILD:
            raise InputError(f"cannot be built again yet: it was built as {self.provenance.build_type}")
        fields = Fields(dict(self.provenance.external), "externalParameters")
        if unknown := sorted(set(fields.names()) - _KNOWN):
            raise InputError(f"cannot be built again yet: it was built with {', '.join(unknown)}")
        file, text = self._dockerfile(folder, fields.fields("dockerfile"))
        compression: dict[str, Compression] = {"zstd": "zstd", "gzip": "gzip"}
        internal = Fields(dict(self.provenance.internal), "internalParameters")
        return BuildRequest(
            context=folder,
            file=file,
            dockerfile=text,
            arguments=self._arguments(given),
            target=fields.optional_text("target"),
            labels=fields.string_map("labels"),
            annotations=fields.string_map("annotations"),
            platforms=_platforms(fields),
            no_cache=True,
            compression=compression[internal.text("compression")],
            epoch=fields.integer("epoch") if "epoch" in fields else None,
            normal_modes=fields.optional_text("contextModes") == "normal",
            network=_network(fields),
            settings=_settings(fields),
        )

    def _dockerfile(self, folder: Path, recorded: Fields) -> tuple[Path | None, bytes | None]:
        """The file in the context where it is the one, so that an ignore file beside it counts; else the text held."""
        path, digest = recorded.text("path"), Digest("sha256", recorded.fields("digest").text("sha256"))
        there = Named(folder, path).read(MAX_SIZE) if path and os.path.lexists(folder / path) else None
        if there is not None and Digest.of(there) == digest:
            return folder / path, None
        content = next((item.content for item in self.provenance.dependencies if item.name == DOCKERFILE), None)
        if content is None:
            raise InputError(f"the provenance does not hold the text of {path or FILE}, and the context has another")
        if Digest.of(content) != digest:
            raise DocumentError(f"the provenance holds a {path or FILE} that is not the one it names")
        return None, content

    def _arguments(self, given: Mapping[str, str]) -> dict[str, str]:
        recorded = self.provenance.arguments
        for name, value in given.items():
            if name not in recorded or recorded[name] not in (None, value):
                raise InputError(f"build-arg {name}: not what it was built with", option="build-arg")
        values = {name: given.get(name, value) for name, value in recorded.items()}
        missing = [name for name, value in values.items() if value is None and name.lower() not in _PROXIES]
        if missing:
            hint = Remedy("give withheld", "give the values that it was built with")
            raise InputError(f"the provenance withholds the value of {', '.join(missing)}", hint=hint)
        return {name: value for name, value in values.items() if value is not None}

    def _dependency(self, name: str) -> Digest | None:
        return next((item.sha256 for item in self.provenance.dependencies if item.name == name), None)


def _platforms(fields: Fields) -> tuple[str, ...]:
    recorded = fields.optional_text("platform")
    return (recorded,) if recorded else ()


def _network(fields: Fields) -> Network:
    """What reaches out of the sandbox is for the caller to allow, not for a provenance."""
    network = fields.optional_text("network") or "default"
    if network not in ("default", "none"):
        raise InputError(f"cannot be built again yet: it was built with the network {network}")
    return "none" if network == "none" else "default"


def _settings(fields: Fields) -> StepSettings:
    return StepSettings(
        fields.each("hosts", _host),
        fields.integer("shmSize") if "shmSize" in fields else 0,
        fields.each("ulimits", _ulimit),
    )


def _host(value: object, where: str) -> tuple[str, str]:
    match value:
        case [str() as name, str() as address]:
            return name, address
        case _:
            raise DocumentError(f"{where}: not a name and an address")


def _ulimit(value: object, where: str) -> tuple[str, int, int]:
    match value:
        case [str() as name, int() as soft, int() as hard]:
            return name, soft, hard
        case _:
            raise DocumentError(f"{where}: not a name and two limits")
