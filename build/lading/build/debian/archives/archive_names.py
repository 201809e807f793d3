"""The names of archives that everybody has mirrors of, and where they are as the distribution itself says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from lading.build.debian.archives.apt_sources import ArchiveSource, is_fetchable
from lading.build.debian.archives.release import SignedRelease

_SCHEME: Final = "archive:"
_ORIGINS: Final = ("debian", "ubuntu")
NAMES: Final = tuple(f"{_SCHEME}{origin}{pocket}" for origin in _ORIGINS for pocket in ("", "-security"))
"""In place of an address, whichever mirror a machine is set up with."""
EXAMPLES: Final = tuple(
    f"usr/share/doc/apt/examples/{name}" for name in ("debian.sources", "ubuntu.sources", "sources.list")
)
"""Where the distribution's own apt says where its archives are."""


def archive_name(origin: str, *, security: bool) -> str:
    """The name of the archive of one of the origins in `NAMES`, in lower case, or of its security suites."""
    return f"{_SCHEME}{origin}{'-security' * security}"


def name_of(source: ArchiveSource, release: SignedRelease) -> str:
    """An archive's name; of one that has none its address as it is configured, without what lets one in."""
    name = archive_name(release.origin.lower(), security="-security" in source.suite)
    return name if name in NAMES else bare(source.uri)


def addresses(examples: Iterable[ArchiveSource]) -> Mapping[str, str]:
    """The address of each name, by the sources in the files `EXAMPLES` of some system."""
    found: dict[str, str] = {}
    for source in examples:
        last = source.uri.rstrip("/").rpartition("/")[2].removesuffix("-security")
        if is_fetchable(source.uri):
            found.setdefault(archive_name(last, security="-security" in source.suite), source.uri.rstrip("/"))
    return {name: address for name, address in found.items() if name in NAMES}


def bare(uri: str) -> str:
    """An address without user and password, and without a query, which may be a token."""
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
