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
import subprocess
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lading.build.debian.release import PackageRecord, SignedRelease, check_release, find_packages, keyring
from lading.build.debian.sources import Source
from lading.store.errors import DocumentError, InputError, MachineError, RegistryError

_INSTALL: Final = re.compile(r"Inst (?P<name>[a-z0-9][a-z0-9+.-]+)(?::\w+)? \((?P<version>\S+) ")
_ACQUIRE: Final = re.compile(r'(?P<name>Acquire::[\w:./-]+) "(?P<value>[^"]*)";')
# What would loosen a check, or make apt do more than fetch.
_NEVER: Final = ("AllowInsecure", "AllowWeak", "AllowDowngrade", "AllowReleaseInfoChange", "Languages", "GzipIndexes")
_PASSWORD: Final = re.compile(r"://[^/@\s]*@")
_COMPLETE: Final = "complete"
_MISSING: Final = re.compile(r"E: (?:Unable to locate package |Package '?)(?P<name>[^\s']+)")


@dataclass(frozen=True, slots=True)
class Resolution:
    """The packages to install, by name, and the releases they chain to, by the SHA-256 of their InRelease."""

    packages: tuple[PackageRecord, ...]
    releases: Mapping[str, tuple[Source, SignedRelease]]
    dates_checked: bool


class Apt:
    """apt for one set of sources, with its state below `folder`."""

    def __init__(self, folder: Path, sources: Sequence[Source], architecture: str) -> None:
        self._folder = folder.absolute()
        self._sources = tuple(sources)
        self._architecture = architecture
        self._dates_checked = all(source.check_dates for source in sources)

    @property
    def _lists(self) -> Path:
        return self._folder / "lists"

    def has_lists(self) -> bool:
        """Whether lists of an earlier update are there, whole."""
        self._recover()
        return (self._lists / _COMPLETE).exists()

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
        self._run(["apt-get", "-qq", *options, "update"], "fetching the package lists")
        (new / _COMPLETE).touch()
        self._lists.rename(old)
        new.rename(self._lists)
        shutil.rmtree(old)

    def _recover(self) -> None:
        """Puts the lists back where an update was killed between taking the old ones away and putting new ones."""
        old = self._folder / "lists.old"
        if old.exists() and not self._lists.exists():
            old.rename(self._lists)

    def resolve(self, names: Iterable[str]) -> Resolution:
        """What installing `names` into an empty system takes, without recommended packages."""
        self._prepare()
        said = self._run(["apt-get", "-qq", "--simulate", "install", "--", *names], "resolving the packages")
        wanted = {(match["name"], match["version"]) for match in map(_INSTALL.match, said.splitlines()) if match}
        found: dict[tuple[str, str], PackageRecord] = {}
        releases: dict[str, tuple[Source, SignedRelease]] = {}
        for source in self._sources:
            release = self._release(source)
            releases[release.digest] = (source, release)
            for component in source.components:
                found |= self._search(source, release, component, wanted - found.keys())
        if missing := sorted(wanted - found.keys()):
            name, version = missing[0]
            raise DocumentError(f"{name} {version}: apt chose it, but no signed list has it")
        packages = tuple(found[key] for key in sorted(found))
        used = {package.release for package in packages}
        return Resolution(packages, {key: releases[key] for key in sorted(used)}, self._dates_checked)

    def fetch(self, packages: Sequence[PackageRecord]) -> dict[PackageRecord, Path]:
        """The .deb of every package, its digest checked; those already here are not fetched again."""
        paths = {package: self._folder.parent / "debs" / f"{package.sha256}.deb" for package in packages}
        missing = [package for package, path in paths.items() if not path.exists()]
        if missing:
            self._download(missing, paths)
        return paths

    def _download(self, missing: Sequence[PackageRecord], paths: Mapping[PackageRecord, Path]) -> None:
        archives = self._folder / "archives"
        words = [f"{package.name}={package.version}" for package in missing]
        self._run(["apt-get", "-qq", "download", "--", *words], "fetching the packages", archives)
        for package in missing:
            version = urllib.parse.quote(package.version, safe="+.~-")
            file = archives / f"{package.name}_{version.lower()}_{package.architecture}.deb"
            if not file.exists():
                file = _by_digest(archives, package)
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
                os.fsync(stream.fileno())
            if digest != package.sha256:
                file.unlink()
                raise DocumentError(f"{package.name} {package.version}: not the file that the signed list names")
            paths[package].parent.mkdir(exist_ok=True)
            file.replace(paths[package])

    def _release(self, source: Source) -> SignedRelease:
        file = self._lists / f"{self._list_name(source)}_InRelease"
        if not file.exists():
            raise DocumentError(
                f"{source.suite}: the archive has no InRelease file", hint="archives with Release.gpg only are too old"
            )
        release = check_release(file, keyring(source.signed_by, self._folder))
        if source.suite not in (release.codename, release.suite):
            raise DocumentError(f"{source.suite}: the archive answered with {release.codename or release.suite!r}")
        return release

    def _search(
        self, source: Source, release: SignedRelease, component: str, wanted: Iterable[tuple[str, str]]
    ) -> dict[tuple[str, str], PackageRecord]:
        listed = f"{component}/binary-{self._architecture}/Packages"
        file = self._lists / f"{self._list_name(source)}_{listed.replace('/', '_')}"
        return find_packages(file, listed, release, wanted) if file.exists() else {}

    def _list_name(self, source: Source) -> str:
        """How apt names the files of a source (URItoFileName in apt-pkg)."""
        uri = urllib.parse.urlsplit(source.uri)
        where = f"{uri.hostname or ''}{f':{uri.port}' if uri.port else ''}{uri.path.rstrip('/')}/dists/{source.suite}"
        return re.sub(r'[\\|{}\[\]<>"^~_=!@#$%&*]', lambda match: f"%{ord(match[0]):02x}", where).replace("/", "_")

    def _prepare(self) -> None:
        for name in ("lists/partial", "archives/partial", "state"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        (self._folder / "status").touch()
        lines = [self._line(source) for source in self._sources]
        _write_changed(self._folder / "sources.list", "".join(lines))
        _write_changed(self._folder / "apt.conf", self._settings())

    def _line(self, source: Source) -> str:
        keys = keyring(source.signed_by, self._folder)
        dates = "" if source.check_dates else " check-valid-until=no check-date=no"
        options = f"arch={self._architecture} signed-by={keys}{dates}"
        return f"deb [{options}] {source.uri} {source.suite} {' '.join(source.components)}\n"

    def _settings(self) -> str:
        folder = self._folder
        own = {
            "Dir::State": folder / "state",
            "Dir::State::lists": self._lists,
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder / "state",
            "Dir::Cache::archives": folder / "archives",
            "Dir::Etc::sourcelist": folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "APT::Architecture": self._architecture,
            "APT::Sandbox::User": "root",
            "APT::Install-Recommends": "false",
            "Acquire::Languages": "none",
            "Acquire::GzipIndexes": "false",
            "Acquire::PDiffs": "false",
        }
        lines = [f'{name} "{value}";\n' for name, value in own.items()]
        return "".join(lines + self._machine_settings()) + f'APT::Architectures {{ "{self._architecture}"; }};\n'

    def _machine_settings(self) -> list[str]:
        """The machine's own settings for downloads: proxies, certificates, timeouts, date checks."""
        said = self._call(["apt-config", "dump"], {}, None)
        lines: list[str] = []
        for match in map(_ACQUIRE.fullmatch, said.stdout.splitlines()):
            name = match["name"] if match else ""
            if not match or not match["value"] or name.endswith("::") or any(word in name for word in _NEVER):
                continue
            if "IndexTargets" in name or "CompressionTypes" in name or "Changelogs" in name:
                continue
            if name in ("Acquire::Check-Valid-Until", "Acquire::Check-Date") and match["value"] in ("false", "no", "0"):
                self._dates_checked = False
            lines.append(f'{name} "{match["value"]}";\n')
        return lines

    def _run(self, words: list[str], what: str, folder: Path | None = None) -> str:
        said = self._call(words, {"APT_CONFIG": str(self._folder / "apt.conf")}, folder)
        if said.returncode == 0:
            return said.stdout
        missing = _MISSING.search(said.stderr)
        if missing:
            raise InputError(f"{missing['name']}: no such package in the configured archives")
        raise RegistryError(f"{what}: apt failed: {_reason(said.stderr)}")

    def _call(
        self, words: list[str], extra: Mapping[str, str], folder: Path | None
    ) -> subprocess.CompletedProcess[str]:
        if not shutil.which(words[0]):
            raise MachineError(f"{words[0]} is not installed", hint="Debian packages are resolved by apt")
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
        return subprocess.run(
            words,
            env=environment | dict(extra),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )


def _write_changed(file: Path, text: str) -> None:
    """Leaves a file alone that has this text: apt builds its caches anew when its sources look younger."""
    if not file.exists() or file.read_text() != text:
        file.write_text(text)


def _reason(said: str) -> str:
    """The line of apt's that says most: what could not be fetched, else its first error."""
    lines = [line for line in said.splitlines() if line.strip()]
    fetching = [line for line in lines if "Failed to fetch" in line]
    errors = [line for line in lines if line.startswith("E:")]
    chosen = next(iter(fetching or errors or lines), "without a word")
    return _PASSWORD.sub("://", re.sub(r"^[EW]: ", "", chosen))


def _by_digest(folder: Path, package: PackageRecord) -> Path:
    """apt may name a file in a way not foreseen here; its content says which it is."""
    for file in folder.glob(f"{package.name}_*.deb"):
        with file.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() == package.sha256:
                return file
    raise DocumentError(f"{package.name} {package.version}: apt did not bring the file that the signed list names")
