"""What is other in one lock than in another, and where a lock and its set disagree."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from lading.build.debian.archives.apt import Resolution
from lading.build.debian.debian_spec import DebianSpec
from lading.build.debian.locks.lock_file import Lock
from lading.build.graph.steps.step_operations import PackageRecord
from lading.store.errors import InputError, Remedy
from lading.store.fastclass import dataclass


@dataclass(frozen=True, slots=True)
class PackageChange:
    """A package of one architecture that is new (`old` is None), gone (`new` is None), or another file."""

    architecture: str
    name: str
    old: PackageRecord | None
    new: PackageRecord | None


def changes(old: Lock | None, new: Lock) -> tuple[PackageChange, ...]:
    """What became of each package, by architecture and name."""
    nothing: Mapping[str, Resolution] = {}
    before = old.architectures if old else nothing
    return tuple(
        PackageChange(architecture, name, first, second)
        for architecture in sorted({*before, *new.architectures})
        for name, first, second in _pairs(before.get(architecture), new.architectures.get(architecture))
        if first is None or second is None or (first.version, first.digest) != (second.version, second.digest)
    )


def _pairs(
    old: Resolution | None, new: Resolution | None
) -> Iterator[tuple[str, PackageRecord | None, PackageRecord | None]]:
    first = {package.name: package for package in (old.packages if old else ())}
    second = {package.name: package for package in (new.packages if new else ())}
    for name in sorted({*first, *second}):
        yield name, first.get(name), second.get(name)


def check_agreement(lock: Lock, spec: DebianSpec, path: Path, file: Path) -> None:
    """Raises `InputError` where the lock was not made for what the set asks for now."""
    asked = spec.asked()
    for name in sorted({*lock.asked, *asked}):
        if lock.asked.get(name) != asked.get(name):
            raise InputError(
                f"{path} was not made for this {file.name}: {name}: {_difference(lock.asked, asked, name)}",
                hint=Remedy("lock anew", "lock it anew", str(file)),
            )


def _difference(locked: Mapping[str, object], asked: Mapping[str, object], name: str) -> str:
    old, new = (json.dumps(found.get(name)) for found in (locked, asked))
    if old[0] == new[0] == "[":
        first, second = (json.loads(text) for text in (old, new))
        more = [f"+{word}" for word in second if word not in first] + [
            f"-{word}" for word in first if word not in second
        ]
        return " ".join(more) or "in another order"
    return f"locked for {old}, now {new}".replace("null", "nothing")
