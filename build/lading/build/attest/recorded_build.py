"""A build as its provenance records it, asked for again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from lading.build.context.remote.addresses import Repository, WebFile
from lading.build.convert.source_files import FILE, Named
from lading.build.dockerfile.parser import MAX_SIZE
from lading.build.graph.executor import Network
from lading.build.graph.request import (
    BuildRequest,
    ImageContext,
    NamedContext,
    PackedContext,
    StepSecrets,
)
from lading.build.graph.steps.step_operations import StepSettings
from lading.store.archives.compression import parse_compression
from lading.store.errors import DocumentError, InputError, Remedy
from lading.store.fastclass import dataclass, field
from lading.store.oci.digests import Digest
from lading.store.oci.json import Fields
from lading.verify.documents.provenance import DOCKERFILE_BUILD, Provenance

DOCKERFILE: Final = "dockerfile"
"""The name of the Dockerfile among the dependencies of a provenance, which hold its text."""
MAX_RECORDED: Final = 1 << 20
"""Bytes of a Dockerfile whose text a provenance holds."""
_KNOWN: Final = frozenset(
    {"dockerfile", "syntax", "buildArgs", "target", "labels", "annotations", "platform", "epoch", "contextModes"}
    | {"network", "networkRecord", "hosts", "shmSize", "ulimits"}
    | {"contexts", "contextOwners", "secrets", "ssh", "allow"},
)
_NAMED: Final = "mount:context:"
"""Begins the name of the dependency that is the root of a named context."""
_PROXIES: Final = frozenset(f"{kind}_proxy" for kind in ("http", "https", "ftp", "no", "all"))
"""Arguments that steps see and that no image depends on."""
FILES: Final = "files"
"""A named context of a provenance that is no image."""
LAYOUT: Final = "oci-layout"
"""The record of a named context that is an image of a layout and that nothing used."""
OF_LAYOUT: Final = f"{LAYOUT}@"
"""Begins that of one that was used, and of its base image: the digest follows."""


@dataclass(frozen=True, slots=True)
class GivenAgain:
    """What a provenance names and does not hold: where its files are, values, named contexts, what steps are lent."""

    folder: Path
    source: PackedContext | WebFile | Repository | None = None
    arguments: Mapping[str, str] = field(default_factory=dict[str, str])
    contexts: Mapping[str, NamedContext] = field(default_factory=dict[str, "NamedContext"])
    secrets: StepSecrets = StepSecrets()
    allow: frozenset[str] = frozenset()


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

    @property
    def contexts(self) -> Mapping[str, Digest]:
        """The roots of what was used of the context (""), and of others by name."""
        found = {
            (item.name or "").removeprefix(_NAMED): item.sha256
            for item in self.provenance.dependencies
            if (item.name or "").startswith(_NAMED) and item.sha256
        }
        return {**found, **({"": self.context} if self.context else {})}

    def request(self, given: GivenAgain) -> BuildRequest:
        """The same build, of what is `given`. Raises `InputError` for what cannot be asked for again, or is missing."""
        if self.provenance.build_type != DOCKERFILE_BUILD:
            raise InputError(f"cannot be built again yet: it was built as {self.provenance.build_type}")
        fields = Fields(dict(self.provenance.external), "externalParameters")
        if unknown := sorted(set(fields.names()) - _KNOWN):
            raise InputError(f"cannot be built again yet: it was built with {', '.join(unknown)}")
        _check_lent(fields, "secrets", given.secrets.values)
        _check_lent(fields, "ssh", given.secrets.agents)
        _check_allowed(frozenset(fields.strings("allow")), given.allow)
        file, text = self._dockerfile(given.folder, fields.fields("dockerfile"))
        internal = Fields(dict(self.provenance.internal), "internalParameters")
        return BuildRequest(
            context=given.folder,
            source=given.source,
            contexts=_contexts(fields.string_map("contexts"), given.contexts),
            expected=self.contexts,
            file=file,
            dockerfile=text,
            arguments=self._arguments(given.arguments),
            target=fields.optional_text("target"),
            labels=fields.string_map("labels"),
            annotations=fields.string_map("annotations"),
            platforms=_platforms(fields),
            no_cache=True,
            compression=parse_compression(internal.text("compression")),
            epoch=fields.integer("epoch") if "epoch" in fields else None,
            normal_modes=fields.optional_text("contextModes") == "normal",
            network=_network(fields, given.allow),
            allow=given.allow,
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


def _contexts(recorded: Mapping[str, str], given: Mapping[str, NamedContext]) -> dict[str, NamedContext]:
    """What names mean: an image is known by its name or its digest, all else is given."""
    for name in given:
        if not _is_given(recorded.get(name, "")):
            raise InputError(f"build-context {name}: not what it was built with", option="build-context")
    if missing := [name for name, what in recorded.items() if what in (FILES, LAYOUT) and name not in given]:
        hint = Remedy("name contexts", "name what they were")
        raise InputError(f"it was built with files of the named contexts {', '.join(missing)}", hint=hint)
    return {name: given.get(name, ImageContext(what)) for name, what in recorded.items()}


def _is_given(what: str) -> bool:
    """Whether the record of a named context holds no name that its content could be had by."""
    return what in (FILES, LAYOUT) or what.startswith(OF_LAYOUT)


def _check_lent(fields: Fields, kind: Literal["secrets", "ssh"], given: Mapping[str, object]) -> None:
    """Held to the ids on record: who lends more or less builds something else."""
    recorded, of_secrets = fields.strings(kind), kind == "secrets"
    if missing := [name for name in recorded if name not in given]:
        what = "the secrets" if of_secrets else "agents of ssh called"
        secret, agent = Remedy("give secret", "give it", missing[0]), Remedy("give agent", "give it", missing[0])
        hint = secret if of_secrets else agent
        raise InputError(f"it was built with {what} {', '.join(missing)}, which are not given", hint=hint)
    option = "secret" if of_secrets else "ssh"
    for name in given:
        if name not in recorded:
            raise InputError(f"{option} {name}: not what it was built with", option=option)


def _platforms(fields: Fields) -> tuple[str, ...]:
    recorded = fields.optional_text("platform")
    return (recorded,) if recorded else ()


def _check_allowed(recorded: frozenset[str], given: frozenset[str]) -> None:
    """What reaches out of the sandbox is for the caller to allow, not for a provenance."""
    if missing := sorted(recorded - given):
        hint = Remedy("allow", "allow it, if you trust the Dockerfile with it", missing[0])
        raise InputError(f"it was built with {', '.join(missing)} allowed, which is not given", hint=hint)
    if more := sorted(given - recorded):
        raise InputError(f"allow {more[0]}: not what it was built with", option="allow")


def _network(fields: Fields, allowed: frozenset[str]) -> Network:
    known: dict[str, Network] = {"default": "default", "none": "none"}
    if "network.host" in allowed:
        known["host"] = "host"
    network = fields.optional_text("network") or "default"
    if network not in known:
        raise InputError(f"cannot be built again: it was built with the network {network}")
    return known[network]


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
