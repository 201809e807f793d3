"""Which files a call of bake reads, and all of them as one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lading.build.bake.bake_selection import BakeFile
from lading.build.bake.compose.compose_model import ReadFile, has_services, read_model
from lading.build.bake.compose.compose_targets import compose_targets
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


def read_files(files: Iterable[GivenFile], around: Surroundings, read: ReadFile) -> BakeFile:
    """All files merged, the later over the earlier, and HCL over Compose. Raises `BakeError`.

    `read` is for what Compose files name beside.
    """
    try:
        return _read(list(files), around, read)
    except RecursionError:
        raise BakeError("values that stand on each other more deeply than can be followed") from None


def _read(given: list[GivenFile], around: Surroundings, read: ReadFile) -> BakeFile:
    composed = [(file.name, file.data) for file in given if _is_compose(file)]
    groups, targets = (
        compose_targets(read_model(composed, around.composed, read), around.composed) if composed else ([], [])
    )
    found = Definitions.of((_body(file) for file in given if not _is_compose(file)), around)
    every = {group.name: group for group in (*groups, *found.groups())}
    known = {target.name: target for target in targets}
    for target in found.targets():
        known[target.name] = known[target.name].merged(target) if target.name in known else target
    return BakeFile(
        tuple(every.values()),
        tuple(known.values()),
        tuple(found.listed()),
        tuple(dict.fromkeys(found.warnings)),
    )


def _is_compose(file: GivenFile) -> bool:
    """By its name; one of another name where it is YAML with services."""
    name = file.name.lower()
    if name.endswith((".yml", ".yaml")):
        return True
    return not name.endswith((".json", ".hcl")) and has_services(file.data)


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
