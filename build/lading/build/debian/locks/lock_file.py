"""The lock file of a package set: every .deb by version, digest and address, and the releases it was resolved from.

JSON, indented, a package a line, so that a change of one is a change of one line::

    {
      "version": 1,
      "suite": "bookworm",
      "set": {"components": ["main"], "packages": ["dash"]},
      "architectures": {
        "amd64": {
          "datesChecked": true,
          "releases": [
            {"archive": "archive:debian", "suite": "bookworm", ..., "sha256": "…", "signedBy": ["…"]}
          ],
          "packages": [
            {"name": "dash", "version": "0.5.12-2", "architecture": "amd64",
             "url": "archive:debian/pool/main/d/dash/dash_0.5.12-2_amd64.deb", "digest": "sha256:…",
             "size": 97000, "release": "…"}
          ]
        }
      }
    }

Debian's and Ubuntu's archives have names in place of addresses, wherever the machine that made the lock had its
packages from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from lading.build.debian.archives.apt import Resolution
from lading.build.debian.archives.apt_sources import ArchiveSource, is_fetchable
from lading.build.debian.archives.archive_names import NAMES, name_of
from lading.build.debian.archives.package_lists import checked_record
from lading.build.debian.archives.release import SignedRelease
from lading.build.graph.steps.step_operations import PackageRecord
from lading.store.errors import DocumentError, InputError, Remedy
from lading.store.fastclass import dataclass
from lading.store.oci.json import Fields, parse
from lading.store.system.regular_files import read_below

_LIMIT: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Lock:
    """What a set was resolved to, by Debian's name of each architecture; `asked` is what of the set counts for that."""

    suite: str
    asked: Mapping[str, object]
    architectures: Mapping[str, Resolution]


def lock_path(file: Path) -> Path:
    """Where the lock of the set in `file` lies: beside it."""
    return file.with_suffix(".lock")


def read_lock(path: Path) -> tuple[Lock, bytes] | None:
    """The lock and its bytes, None where there is none. Raises `InputError` for one that cannot be read."""
    try:
        data = read_below(path.parent, path.name, _LIMIT)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return parse_lock(data, str(path)), data
    except DocumentError as error:
        raise InputError(
            error.message, hint=Remedy("update lock", "lock it anew", str(path.with_suffix(".toml")))
        ) from None


def parse_lock(data: bytes, source: str) -> Lock:
    """Raises `DocumentError` with the member that is wrong: every word of a lock is held to its form."""
    fields = Fields(parse(data, source, limit=_LIMIT), source)
    if fields.integer("version") != 1:
        raise DocumentError(f"{source}: version must be 1")
    architectures = fields.fields("architectures").rest()
    lock = Lock(
        fields.text("suite"),
        fields.mapping("set"),
        {name: _resolution(Fields(value, f"{source}: {name}")) for name, value in architectures.items()},
    )
    fields.close()
    return lock


def _resolution(fields: Fields) -> Resolution:
    releases = dict(fields.each("releases", _release))
    packages = fields.each("packages", lambda value, where: _package(Fields(value, where), releases))
    resolution = Resolution(packages, releases, fields.boolean("datesChecked"))
    fields.close()
    return resolution


def _release(value: object, where: str) -> tuple[str, tuple[ArchiveSource, SignedRelease]]:
    fields = Fields(value, where)
    digest, suite = fields.text("sha256"), fields.text("suite")
    archive = fields.text("archive")
    if archive not in NAMES and not is_fetchable(archive):
        raise DocumentError(f"{where}: archive: {archive[:80]!r} is no address of http, https, ftp, file or copy")
    source = ArchiveSource(archive, suite, fields.strings("components"), "")
    release = SignedRelease(
        digest,
        fields.text("named"),
        fields.text("codename"),
        fields.text("origin"),
        fields.text("date"),
        fields.strings("signedBy"),
        {},
    )
    fields.close()
    return digest, (source, release)


def _package(fields: Fields, releases: Mapping[str, tuple[ArchiveSource, SignedRelease]]) -> PackageRecord:
    release, url = fields.text("release"), fields.text("url")
    if release not in releases:
        raise DocumentError(f"{fields.source}: release: none of those above")
    archive = f"{releases[release][0].uri}/"
    name, size, digest = fields.text("name"), fields.integer("size"), fields.text("digest")
    algorithm, _, digits = digest.partition(":")
    values = {
        "version": fields.text("version"),
        "architecture": fields.text("architecture"),
        "filename": url.removeprefix(archive) if url.startswith(archive) else "",
        "size": str(size),
        algorithm: digits,
    }
    fields.close()
    return checked_record(fields.source, name, values, release)


def render_lock(lock: Lock) -> bytes:
    """The text of its file, the same for the same lock."""
    parts = [f"{_quoted(name)}: {_rendered(found)}" for name, found in sorted(lock.architectures.items())]
    head = f'  "version": 1,\n  "suite": {_quoted(lock.suite)},\n  "set": {_quoted(lock.asked)},\n'
    body = ",\n    ".join(parts)
    return f'{{\n{head}  "architectures": {{\n    {body}\n  }}\n}}\n'.encode()


def _rendered(resolution: Resolution) -> str:
    archives = {digest: name_of(*pair) for digest, pair in resolution.releases.items()}
    releases = (_quoted(_release_value(archives[digest], *pair)) for digest, pair in resolution.releases.items())
    packages = (_quoted(_package_value(package, archives[package.release])) for package in resolution.packages)
    return (
        f'{{\n      "datesChecked": {_quoted(resolution.dates_checked)},\n'
        f'      "releases": {_lines(releases)},\n      "packages": {_lines(packages)}\n    }}'
    )


def _release_value(archive: str, source: ArchiveSource, release: SignedRelease) -> dict[str, object]:
    return {
        "archive": archive,
        "suite": source.suite,
        "components": list(source.components),
        "named": release.suite,
        "codename": release.codename,
        "origin": release.origin,
        "date": release.date,
        "sha256": release.digest,
        "signedBy": list(release.signers),
    }


def _package_value(package: PackageRecord, archive: str) -> dict[str, object]:
    return {
        "name": package.name,
        "version": package.version,
        "architecture": package.architecture,
        "url": f"{archive}/{package.filename}",
        "digest": str(package.digest),
        "size": package.size,
        "release": package.release,
    }


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _lines(values: Iterable[str]) -> str:
    text = ",\n        ".join(values)
    return f"[\n        {text}\n      ]" if text else "[]"
