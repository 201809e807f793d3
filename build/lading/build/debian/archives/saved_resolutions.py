"""Resolutions that were made before: the same names, lists, sources and keys give the same packages, without apt.

What was checked when one was made (signatures, digests of lists) holds as long as nothing of that has changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from lading.build.debian.archives.apt import Resolution
from lading.build.debian.archives.apt_sources import ArchiveSource
from lading.build.debian.archives.release import Keys, SignedRelease
from lading.build.graph.steps.step_operations import PackageRecord
from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass
from lading.store.index import Index
from lading.store.oci.digests import Digest
from lading.store.oci.json import Fields, canonical, parse

_VERSION: Final = 1
"""Goes up when the same lists would be read in another way."""
_KIND: Final = "resolution"
_LIMIT: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SavedResolutions:
    """Rows of the index for one set of sources; `priorities` is what apt is told of these."""

    index: Index
    keys: Mapping[ArchiveSource, Keys]
    architecture: str
    priorities: str = ""

    def get(self, lists: str | None, names: Sequence[str]) -> Resolution | None:
        """What `names` resolved to with these lists; None where that is not known, or its row is unreadable."""
        raw = self.index.recall(_KIND, self._key(lists, names))
        try:
            return None if raw is None else self._read(raw)
        except (DocumentError, IndexError):
            return None

    def put(self, lists: str | None, names: Sequence[str], resolution: Resolution) -> None:
        """Keeps it."""
        self.index.remember(_KIND, self._key(lists, names), self._write(resolution))

    def _key(self, lists: str | None, names: Sequence[str]) -> str:
        sources = [
            [source.uri, source.suite, *source.components, hashlib.sha256(keys.data).hexdigest(), *keys.fingerprints]
            for source, keys in self.keys.items()
        ]
        value = {
            "version": _VERSION,
            "lists": lists,
            "names": list(names),
            "sources": sources,
            "architecture": self.architecture,
            "priorities": self.priorities,
        }
        return hashlib.sha256(canonical(value)).hexdigest()

    def _write(self, resolution: Resolution) -> bytes:
        sources = list(self.keys)
        return canonical(
            {
                "datesChecked": resolution.dates_checked,
                "packages": [
                    [item.name, item.version, item.architecture, str(item.digest), str(item.size), item.filename,
                     item.release]
                    for item in resolution.packages
                ],
                "releases": [
                    [str(sources.index(source)), release.digest, release.suite, release.codename, release.origin,
                     release.date, *release.signers]
                    for source, release in resolution.releases.values()
                ],
            }
        )  # fmt: skip

    def _read(self, raw: bytes) -> Resolution:
        fields = Fields(parse(raw, "resolution", limit=_LIMIT), "resolution")
        packages = fields.each("packages", _package)
        releases = dict(self._release(words) for words in fields.each("releases", _strings))
        return Resolution(packages, releases, fields.boolean("datesChecked"))

    def _release(self, words: tuple[str, ...]) -> tuple[str, tuple[ArchiveSource, SignedRelease]]:
        source, digest, suite, codename, origin, date, *signers = words
        return digest, (
            list(self.keys)[int(source)],
            SignedRelease(digest, suite, codename, origin, date, tuple(signers), {}),
        )


def _strings(value: object, where: str) -> tuple[str, ...]:
    return Fields({where: value}, where).strings(where)


def _package(value: object, where: str) -> PackageRecord:
    name, version, architecture, digest, size, filename, release = _strings(value, where)
    return PackageRecord(name, version, architecture, Digest.parse(digest), int(size), filename, release)
