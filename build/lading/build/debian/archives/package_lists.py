"""An archive's lists of packages: held to the signed release, and each word to its form before it is used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from lading.build.debian.archives.release import SignedRelease
from lading.build.graph.steps.step_operations import PackageRecord
from lading.store.errors import DocumentError, Remedy
from lading.store.oci.digests import Digest
from lading.store.system.machine_errors import machine_errors
from lading.store.system.patterns import pattern

NAME: Final = pattern(r"[a-z0-9][a-z0-9+.-]+")
"""A package's name (Debian policy §5.6.1)."""
_VERSION: Final = pattern(r"(?:[0-9]+:)?[0-9A-Za-z.+~-]+")
_ARCHITECTURE: Final = pattern(r"[a-z0-9][a-z0-9-]*")
_FILENAME: Final = pattern(r"[A-Za-z0-9][A-Za-z0-9._+~:%=-]*(?:/+[A-Za-z0-9][A-Za-z0-9._+~:%=-]*)*")
_PACKAGE: Final = pattern(rb"^package:[ \t]*(\S+)[ \t]*\r?$", re.MULTILINE | re.IGNORECASE)
_ESSENTIAL: Final = pattern(rb"^essential:[ \t]*yes[ \t]*\r?$", re.MULTILINE | re.IGNORECASE)
_MAX_PACKAGES: Final = 1024 * 1024 * 1024
_MAX_FIELD: Final = 1024
_MAX_SIZE: Final = 64 * 1024 * 1024 * 1024


class PackageList:
    """A Packages file that a signed release vouches for."""

    def __init__(self, file: Path, listed_as: str, release: SignedRelease) -> None:
        """Raises `DocumentError` unless the file is the one that `release` lists under `listed_as`."""
        with machine_errors(file), file.open("rb") as stream:
            self._data = stream.read(_MAX_PACKAGES + 1)
        if len(self._data) > _MAX_PACKAGES:
            raise DocumentError(f"{file.name}: larger than {_MAX_PACKAGES} bytes")
        wanted = release.files.get(listed_as)
        if wanted is None or Digest.of(self._data, wanted.algorithm) != wanted:
            raise DocumentError(
                f"{file.name}: is not the {listed_as} that the signed release lists",
                hint=Remedy("fetch lists", "ask for the lists anew"),
            )
        self._source = file.name
        self._release = release.digest

    def names(self) -> set[str]:
        """Of all packages in it."""
        return {match[1].decode("latin-1") for match in _PACKAGE.finditer(self._data)}

    def essential(self) -> set[str]:
        """Those that every system has (Debian policy §3.8)."""
        found: set[str] = set()
        for match in _ESSENTIAL.finditer(self._data):
            begin = self._data.rfind(b"\n\n", 0, match.start()) + 1
            if name := _PACKAGE.search(self._data, begin):
                found.add(name[1].decode("latin-1"))
        return found

    def find(self, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], PackageRecord]:
        """The records of these pairs of name and version. Raises `DocumentError` for a malformed one."""
        pairs = set(wanted)
        names = {name for name, _ in pairs}
        found: dict[tuple[str, str], PackageRecord] = {}
        for name, fields in self._stanzas(names):
            key = (name, fields.get("version", ""))
            if key in pairs and key not in found:
                found[key] = checked_record(self._source, name, fields, self._release)
        return found

    def _stanzas(self, names: set[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
        """What is said of each of `names`, whatever the order of its fields; names of fields in lower case."""
        for match in _PACKAGE.finditer(self._data):
            name = match[1].decode("latin-1")
            if name in names:
                begin = self._data.rfind(b"\n\n", 0, match.start()) + 1
                end = self._data.find(b"\n\n", match.end())
                text = self._data[begin : end if end >= 0 else len(self._data)].decode("utf-8", "replace")
                pairs = (line.partition(":") for line in text.splitlines() if line[:1] not in (" ", "\t"))
                yield name, {field.strip().lower(): value.strip() for field, _, value in pairs}


def checked_record(source: str, name: str, fields: Mapping[str, str], release: str) -> PackageRecord:
    """A record whose every word has its form; names of `fields` in lower case. Raises `DocumentError`."""

    def take(field: str, form: re.Pattern[str]) -> str:
        value = fields.get(field, "")
        if len(value) > _MAX_FIELD or not form.fullmatch(value):
            raise DocumentError(f"{source}: {name}: {field}: {value[:80]!r} is not one")
        return value

    if not NAME.fullmatch(name):
        raise DocumentError(f"{source}: {name[:80]!r} is not a package's name")
    size = take("size", re.compile("[0-9]{1,12}"))
    if int(size) > _MAX_SIZE:
        raise DocumentError(f"{source}: {name}: size: {size} bytes are more than {_MAX_SIZE}")
    return PackageRecord(
        name=name,
        version=take("version", _VERSION),
        architecture=take("architecture", _ARCHITECTURE),
        digest=_digest(source, name, fields),
        size=int(size),
        filename=take("filename", _FILENAME),
        release=release,
    )


def _digest(source: str, name: str, fields: Mapping[str, str]) -> Digest:
    for algorithm in ("sha256", "sha512"):
        if digits := fields.get(algorithm):
            try:
                return Digest.parse(f"{algorithm}:{digits.lower()}")
            except DocumentError as error:
                raise DocumentError(f"{source}: {name}: {error.message[:300]}") from None
    raise DocumentError(f"{source}: {name}: has no SHA256")
