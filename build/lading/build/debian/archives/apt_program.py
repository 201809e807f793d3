"""apt's programs, with settings of their own: of the machine's they see what says how to download, and no more."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from lading.build.debian.archives.apt_sources import says
from lading.store.errors import InputError, MachineError, RegistryError
from lading.store.oci.digests import Digest
from lading.store.system.patterns import pattern

HELPER: Final = "/usr/lib/apt/apt-helper"
_ACQUIRE: Final = pattern(r'(?P<name>Acquire::[\w:./-]+) "(?P<value>[^"]*)";')
# What would loosen a check, or make apt do more than fetch.
_NEVER: Final = (
    "allowinsecure", "allowweak", "allowdowngrade", "allowreleaseinfochange", "languages", "gzipindexes",
    "indextargets", "compressiontypes", "changelogs",
)  # fmt: skip
_PASSWORD: Final = pattern(r"://[^/@\s]*@")
_SHOWN: Final = 4
_WHY: Final = pattern(r"^ (?P<why>\S+ : .+)$", re.MULTILINE)


class AptProgram:
    """apt with its state below `folder`, for packages of `architecture`.

    `dates_checked` turns false where a setting of the machine loosens apt's check of how old lists are.
    """

    def __init__(self, folder: Path, architecture: str) -> None:
        self.folder = folder.absolute()
        self.dates_checked = True
        self._architecture = architecture

    def prepare(self, sources: str, preferences: str = "") -> None:
        """Writes apt's settings, `sources` as its sources.list, and its `preferences`."""
        for name in ("lists/partial", "archives/partial", "state"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        _write_changed(self.folder / "sources.list", sources)
        _write_changed(self.folder / "preferences", preferences)
        _write_changed(self.folder / "apt.conf", self._settings())

    def run(self, words: list[str], source: str, folder: Path | None = None) -> str:
        """What apt says. Raises `InputError` for what cannot be installed, `RegistryError` where it fails otherwise."""
        said = self._call(words, {"APT_CONFIG": str(self.folder / "apt.conf")}, folder)
        if said.returncode == 0:
            return said.stdout
        if why := [match["why"] for match in _WHY.finditer(said.stdout)]:
            raise InputError(f"{source}: {'; '.join(' '.join(line.split()) for line in why[:_SHOWN])}")
        raise RegistryError(f"{source}: apt failed: {_reason(said.stderr)}")

    def download(self, files: Sequence[tuple[str, Path, Digest]]) -> str:
        """Fetches each URL to its path, as the machine fetches packages; "" or why some of them did not come."""
        words = [HELPER, "-qq", "download-file", "--"]
        for url, path, digest in files:
            words += [url, str(path), f"{digest.algorithm.upper()}:{digest.hex}"]
        said = self._call(words, {"APT_CONFIG": str(self.folder / "apt.conf")}, self.folder)
        return "" if said.returncode == 0 else _reason(said.stderr)

    def _settings(self) -> str:
        folder = self.folder
        own = {
            "Dir::State": folder / "state",
            "Dir::State::lists": folder / "lists",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder / "state",
            "Dir::Cache::archives": folder / "archives",
            "Dir::Etc::sourcelist": folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::preferences": folder / "preferences",
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
            if not match or not match["value"] or name.endswith("::") or any(word in name.lower() for word in _NEVER):
                continue
            if _loosens_dates(name.lower(), match["value"]):
                self.dates_checked = False
            lines.append(f'{name} "{match["value"]}";\n')
        return lines

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


def _loosens_dates(name: str, value: str) -> bool:
    """Whether a setting lets lists be older, or further ahead, than an archive's signer said (apt.conf(5))."""
    if name in ("acquire::check-valid-until", "acquire::check-date"):
        return says(value, no=True)
    return name.startswith(("acquire::min-validtime", "acquire::max-futuretime"))


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
