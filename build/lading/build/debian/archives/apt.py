"""apt in a private state folder: lists, a resolution, and the .deb files, all traced to signed releases.

apt resolves and downloads; what it says is not believed. The signatures of the releases, the digests of the
lists and those of the packages are checked here. Nothing of the machine's own apt state is read or changed but
its sources, its keys and its settings for downloads.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from lading.build.debian.archives.apt_program import AptProgram
from lading.build.debian.archives.apt_sources import ArchiveSource
from lading.build.debian.archives.package_lists import PackageList
from lading.build.debian.archives.release import Keys, SignedRelease, check_release
from lading.build.graph.steps.step_operations import PackageRecord
from lading.store.errors import DocumentError, InputError
from lading.store.fastclass import dataclass
from lading.store.system.atomic import publish, sync
from lading.store.system.patterns import pattern

_INSTALL: Final = pattern(r"Inst (?P<name>[a-z0-9][a-z0-9+.-]+)(?::\w+)? \((?P<version>\S+) ")
_COMPLETE: Final = "complete"
_DATES: Final = "dates checked"


@dataclass(frozen=True, slots=True)
class Resolution:
    """The packages to install, by name, and the releases they chain to, by the SHA-256 of their InRelease."""

    packages: tuple[PackageRecord, ...]
    releases: Mapping[str, tuple[ArchiveSource, SignedRelease]]
    dates_checked: bool


class Apt:
    """apt for one set of sources, with its state below `folder`."""

    def __init__(
        self,
        folder: Path,
        sources: Sequence[ArchiveSource],
        keys: Mapping[ArchiveSource, Keys],
        architecture: str,
        priorities: Mapping[str, int] | None = None,
    ) -> None:
        self._program = AptProgram(folder, architecture)
        self._folder = self._program.folder
        self._sources = tuple(sources)
        self._keys = keys
        self._architecture = architecture
        self._priorities = priorities or {}

    @property
    def _lists(self) -> Path:
        return self._folder / "lists"

    def lists(self) -> str | None:
        """What names the lists of the last update, and says whether their dates were checked; None where none are."""
        self._recover()
        try:
            return (self._lists / _COMPLETE).read_text()
        except FileNotFoundError:
            return None

    def update(self) -> None:
        """Fetches the lists anew, all of them or none: when this fails, those of before are still there."""
        self._recover()
        self._prepare()
        new, old = self._folder / "lists.new", self._folder / "lists.old"
        for leftover in (new, old):
            shutil.rmtree(leftover, ignore_errors=True)
        shutil.copytree(self._lists, new, ignore=shutil.ignore_patterns(_COMPLETE))
        # Without the error mode apt calls it a success when an archive cannot be reached.
        options = ["-o", f"Dir::State::lists={new}", "-o", "APT::Update::Error-Mode=any"]
        self._program.run(["apt-get", "-qq", *options, "update"], "fetching the package lists")
        checked = self._program.dates_checked and all(source.check_dates for source in self._sources)
        dates = _DATES if checked else "dates not checked"
        (new / _COMPLETE).write_text(f"{os.urandom(16).hex()} {dates}\n")
        self._lists.rename(old)
        new.rename(self._lists)
        shutil.rmtree(old)

    def _recover(self) -> None:
        """Puts the lists back where an update was killed between taking the old ones away and putting new ones."""
        old = self._folder / "lists.old"
        if old.exists() and not self._lists.exists():
            old.rename(self._lists)

    def resolve(self, names: Sequence[str], *, essential: bool = False) -> Resolution:
        """What installing `names`, and all that is `essential`, takes on an empty system, without recommendations.

        A name is a package's whole name: apt is asked for nothing that it would take for a pattern or an option.
        """
        self._prepare()
        lists = [found for source in self._sources for found in self._read(source)]
        known = {name for _, _, packages in lists for name in packages.names()}
        for name in names:
            if name not in known:
                raise InputError(f"{name}: no such package in the configured archives")
        if essential:
            names = sorted({*names, *(name for _, _, packages in lists for name in packages.essential())})
        said = self._program.run(["apt-get", "-q", "--simulate", "install", "--", *names], "resolving the packages")
        wanted = {(match["name"], match["version"]) for match in map(_INSTALL.match, said.splitlines()) if match}
        found: dict[tuple[str, str], PackageRecord] = {}
        for _, _, packages in lists:
            found |= packages.find(wanted - found.keys())
        if missing := sorted(wanted - found.keys()):
            name, version = missing[0]
            raise DocumentError(f"{name} {version}: apt chose it, but no signed list has it")
        used = {package.release for package in found.values()}
        releases = {release.digest: (source, release) for source, release, _ in lists if release.digest in used}
        checked = (self.lists() or "").rstrip().endswith(f" {_DATES}")
        return Resolution(
            tuple(found[key] for key in sorted(found)), {key: releases[key] for key in sorted(releases)}, checked
        )

    def _read(self, source: ArchiveSource) -> Iterator[tuple[ArchiveSource, SignedRelease, PackageList]]:
        """The lists of a source, each held to its signed release."""
        release = self._release(source)
        for component in source.components:
            listed = f"{component}/binary-{self._architecture}/Packages"
            file = self._lists / f"{_list_name(source)}_{listed.replace('/', '_')}"
            if not file.exists():
                raise DocumentError(f"{source.suite}: the archive has no {component!r} for {self._architecture}")
            yield source, release, PackageList(file, listed, release)

    def fetch(self, packages: Sequence[PackageRecord]) -> dict[PackageRecord, Path]:
        """The .deb of every package, its digest checked; those already here are not fetched again."""
        paths = {package: self._folder.parent / "debs" / f"{package.digest.hex}.deb" for package in packages}
        missing = [package for package, path in paths.items() if not path.exists()]
        if missing:
            self._download(missing, paths)
        return paths

    def _download(self, missing: Sequence[PackageRecord], paths: Mapping[PackageRecord, Path]) -> None:
        self._prepare()
        archives = self._folder / "archives"
        words = [f"{package.name}={package.version}" for package in missing]
        self._program.run(["apt-get", "-qq", "download", "--", *words], "fetching the packages", archives)
        for package in missing:
            version = urllib.parse.quote(package.version, safe="+.~-")
            file = archives / f"{package.name}_{version.lower()}_{package.architecture}.deb"
            if not file.exists():
                file = _by_digest(archives, package)
            publish_deb(file, package, paths[package])

    def _release(self, source: ArchiveSource) -> SignedRelease:
        file = self._lists / f"{_list_name(source)}_InRelease"
        if not file.exists():
            raise DocumentError(
                f"{source.suite}: the archive has no InRelease file", hint="archives with Release.gpg only are too old"
            )
        release = check_release(file, self._keys[source], self._folder)
        if source.suite not in (release.codename, release.suite):
            raise DocumentError(f"{source.suite}: the archive answered with {release.codename or release.suite!r}")
        return release

    def _prepare(self) -> None:
        pins = (
            f"Package: *\nPin: release {word}={name}\nPin-Priority: {priority}\n\n"
            for name, priority in self._priorities.items()
            for word in ("n", "a")
        )
        self._program.prepare("".join(self._line(source) for source in self._sources), "".join(pins))

    def _line(self, source: ArchiveSource) -> str:
        keys = self._keys[source]
        signed_by = ",".join((str(keys.file(self._folder)), *keys.fingerprints))
        dates = "" if source.check_dates else " check-valid-until=no check-date=no"
        options = f"arch={self._architecture} signed-by={signed_by}{dates}"
        return f"deb [{options}] {source.uri} {source.suite} {' '.join(source.components)}\n"


def publish_deb(file: Path, package: PackageRecord, target: Path) -> None:
    """Moves what was fetched as `package` to `target`. Raises `DocumentError` for any other file, which goes."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, package.digest.algorithm).hexdigest()
        if digest != package.digest.hex:
            file.unlink()
            raise DocumentError(f"{package.name} {package.version}: not the file that the signed list names")
        sync(stream.fileno())  # apt is gone; what was read is the same file at least
    target.parent.mkdir(exist_ok=True)
    publish(file, target)


def _list_name(source: ArchiveSource) -> str:
    """How apt names the files of a source (URItoFileName in apt-pkg): the host as it was written."""
    uri = urllib.parse.urlsplit(source.uri)
    host = re.sub(r":\d*$", "", uri.netloc.rpartition("@")[2]) + (f":{uri.port}" if uri.port else "")
    where = f"{host}{uri.path.removesuffix('/')}/dists/{source.suite}"
    return re.sub(r'[\\|{}\[\]<>"^~_=!@#$%&*]', lambda match: f"%{ord(match[0]):02x}", where).replace("/", "_")


def _by_digest(folder: Path, package: PackageRecord) -> Path:
    """apt may name a file in a way not foreseen here; its content says which it is."""
    for file in folder.glob(f"{package.name}_*.deb"):
        with file.open("rb") as stream:
            if hashlib.file_digest(stream, package.digest.algorithm).hexdigest() == package.digest.hex:
                return file
    raise DocumentError(f"{package.name} {package.version}: apt did not bring the file that the signed list names")
