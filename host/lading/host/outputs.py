"""Where a built image is written beside the store: ``oci:DIR``, ``oci-archive:FILE``, ``docker-archive:FILE``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from lading.registry.reference import Reference
from lading.store import exchange
from lading.store.descriptors import Descriptor
from lading.store.errors import UsageError
from lading.store.fastclass import dataclass
from lading.store.store import Store

Kind = Literal["oci", "oci-archive", "docker-archive"]

# The types of buildx that mean the same.
_TYPES: Final[dict[str, Kind]] = {
    "oci": "oci-archive",
    "docker": "docker-archive",
    "oci-archive": "oci-archive",
    "docker-archive": "docker-archive",
}
_LATER: Final = ("local", "tar", "image", "registry", "cacheonly")


@dataclass(frozen=True, slots=True)
class Output:
    """A place and its form."""

    kind: Kind
    path: Path
    name: str | None = None

    def write(self, store: Store, descriptor: Descriptor, names: Sequence[str], *, evidence: bool = False) -> None:
        """Writes an image there: whole, or not at all. Raises `MachineError`."""
        named = [self.name] if self.name else list(names)
        if self.kind == "oci":
            exchange.write_layout(store, descriptor, self.path, named, evidence=evidence)
        elif self.kind == "oci-archive":
            exchange.write_oci_archive(store, descriptor, self.path, named, evidence=evidence)
        else:
            shown = [Reference.parse(name).familiar for name in named]
            exchange.write_docker_archive(store, descriptor, self.path, shown)


def parse_output(text: str) -> Output:
    """``TRANSPORT:PATH[:NAME]`` as skopeo has it, or ``type=TYPE,dest=PATH`` as buildx. Raises `UsageError`."""
    if "=" in text.split(":", maxsplit=1)[0]:
        return _buildx(text)
    kind, colon, rest = text.partition(":")
    if kind not in ("oci", "oci-archive", "docker-archive") or not colon or not rest:
        raise UsageError(
            f"-o {text}: expected oci:DIR, oci-archive:FILE or docker-archive:FILE",
            hint="writing the plain file system (-o DIR) is not built yet",
        )
    path, _, name = rest.partition(":")
    return Output("oci" if kind == "oci" else _TYPES[kind], Path(os.path.abspath(path)), name or None)


def _buildx(text: str) -> Output:
    fields: dict[str, str] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        fields[name] = value
    kind, destination = fields.pop("type", ""), fields.pop("dest", "")
    as_folder = fields.pop("tar", "true") == "false"
    if kind in _LATER:
        raise UsageError(f"-o {text}: the type {kind} is not built yet", hint="--push pushes; oci and docker are there")
    if kind not in _TYPES or not destination or fields:
        raise UsageError(f"-o {text}: expected type=oci,dest=FILE or type=docker,dest=FILE")
    path = Path(os.path.abspath(destination))
    return Output("oci" if kind == "oci" and as_folder else _TYPES[kind], path)
