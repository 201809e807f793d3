"""Which files a call of bake reads, and all of them as one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lading.build.bake.bake_selection import BakeFile
from lading.build.bake.definitions.definitions import Definitions, Surroundings
from lading.build.bake.hcl.hcl_blocks import HclBody, read_hcl, read_json
from lading.build.bake.hcl.hcl_source import BakeError
from lading.store.fastclass import dataclass

DEFAULT_FILES: Final = (
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
    "docker-bake.json",
    "docker-bake.hcl",
    "docker-bake.override.json",
    "docker-bake.override.hcl",
)
"""Those that are read where a call names none, in this order, as far as they are there."""


@dataclass(frozen=True, slots=True)
class GivenFile:
    """A file as it was named, and what is in it."""

    name: str
    data: bytes


def read_files(files: Iterable[GivenFile], around: Surroundings) -> BakeFile:
    """All files merged, the later over the earlier. Raises `BakeError`."""
    bodies: list[HclBody] = []
    for file in files:
        if _is_compose(file):
            raise BakeError(f"{file.name}: Compose files are not supported yet")
        bodies.append(_body(file))
    found = Definitions.of(bodies, around)
    groups, targets = tuple(found.groups()), tuple(found.targets())
    return BakeFile(groups, targets, tuple(found.listed()), tuple(dict.fromkeys(found.warnings)))


def _is_compose(file: GivenFile) -> bool:
    return file.name.lower().endswith((".yml", ".yaml"))


def _body(file: GivenFile) -> HclBody:
    """By its name; one of another name is HCL, or where that cannot be JSON."""
    if file.name.endswith(".json"):
        return read_json(file.data, file.name)
    try:
        return read_hcl(file.data, file.name)
    except BakeError as error:
        if file.name.endswith(".hcl"):
            raise
        try:
            return read_json(file.data, file.name)
        except BakeError:
            raise error from None
