"""The names by which everybody knows an archive, whichever mirror of it a machine is set up with."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit, urlunsplit

from lading.build.debian.archives.apt_sources import ArchiveSource
from lading.build.debian.archives.release import SignedRelease

_PUBLIC: Final = {
    ("debian", False): "http://deb.debian.org/debian",
    ("debian", True): "http://deb.debian.org/debian-security",
    ("ubuntu", False): "http://archive.ubuntu.com/ubuntu",
    ("ubuntu", True): "http://security.ubuntu.com/ubuntu",
}
"""By the origin that a release names, and whether it is of a security suite."""


def public_uri(origin: str, *, security: bool) -> str:
    """The archive of an origin, in lower case. Raises `KeyError` for one that has no public name here."""
    return _PUBLIC[origin, security]


def public_name(source: ArchiveSource, release: SignedRelease) -> str:
    """An archive's public name; else its address as it is configured, without what lets one in."""
    known = _PUBLIC.get((release.origin.lower(), "-security" in source.suite))
    own = bare(source.uri)
    return own if known is None or own.partition(":")[2] == known.partition(":")[2] else known


def bare(uri: str) -> str:
    """An address without user and password, and without a query, which may be a token."""
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
