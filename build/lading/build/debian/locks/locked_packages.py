"""The packages of a lock, fetched as this machine fetches packages, and nothing but what the lock names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from lading.build.debian.archives.apt import Resolution, publish_deb
from lading.build.debian.archives.apt_program import AptProgram
from lading.build.debian.archives.apt_sources import ArchiveSource, machine_sources, sources_in
from lading.build.debian.archives.archive_names import EXAMPLES, NAMES, addresses, name_of
from lading.build.graph.steps.step_operations import PackageRecord
from lading.build.solver.cache_trimming import note_use
from lading.build.solver.local_cache import one_builder
from lading.store.errors import RegistryError, Remedy
from lading.store.store import Store
from lading.store.system.private_folders import private_folder

_GONE: Final = "archives remove old versions: give apt a source of a snapshot"


def fetch_locked(
    resolution: Resolution, store: Store, architecture: str, system: Path, *, installed: bool = False
) -> dict[PackageRecord, Path]:
    """The .deb of each package; those here are not fetched again.

    A package is looked for where the machine's apt has its suite from, then at the address in the lock, and where the
    machine's distribution says that the archive of that name is. Raises `RegistryError` where it is nowhere, saying
    that it is locked, or that it was `installed`, and `DocumentError` where another file is in its place.
    """
    debs = store.root / "cache" / "debian" / "debs"
    paths = {package: debs / f"{package.digest.hex}.deb" for package in resolution.packages}
    missing = [package for package, path in paths.items() if not path.exists()]
    if missing:
        name = hashlib.sha256(f"locked {architecture}".encode()).hexdigest()[:16]
        folder = debs.parent / name
        private_folder(folder)
        with one_builder(store.root, name):
            program = AptProgram(folder, architecture)
            program.prepare("")
            published = addresses(source for name in EXAMPLES for source in sources_in(system / name))
            waiting = _download(program, missing, paths, Places(resolution, machine_sources(system), published))
            for package, why in waiting.items():
                hint = _GONE if installed else Remedy("update lock", "lock what the archive has now", "FILE")
                word = "was installed" if installed else "is locked"
                raise RegistryError(
                    f"{package.name} {package.version} {word}, and could not be fetched: {why}", hint=hint
                )
    note_use(tuple(paths.values()))
    return paths


class Places:
    """Where packages may be had."""

    def __init__(
        self, resolution: Resolution, configured: Sequence[ArchiveSource], published: Mapping[str, str]
    ) -> None:
        self._resolution = resolution
        self._configured = configured
        self._published = published

    def of(self, package: PackageRecord) -> Iterator[str]:
        """The addresses of one, those that this machine is configured for first."""
        locked, release = self._resolution.releases[package.release]
        own = [source.uri.rstrip("/") for source in self._configured if source.suite == locked.suite]
        name = locked.uri if locked.uri in NAMES else name_of(locked, release)
        named = "" if locked.uri in NAMES else locked.uri
        for archive in filter(None, dict.fromkeys((*own, named, self._published.get(name, "")))):
            yield f"{archive}/{package.filename}"

    def none(self, package: PackageRecord) -> str:
        """Why there is no address."""
        locked, _ = self._resolution.releases[package.release]
        return f"{locked.suite} of {locked.uri}: /etc/apt has no source of that suite"


def _download(
    program: AptProgram, missing: Sequence[PackageRecord], paths: dict[PackageRecord, Path], places: Places
) -> dict[PackageRecord, str]:
    """Those that are nowhere, and why."""
    waiting = {package: list(places.of(package)) for package in missing}
    why = ""
    while waiting and any(waiting.values()):
        wanted = [
            (urls.pop(0), program.folder / "archives" / f"{package.digest.hex}.deb", package)
            for package, urls in waiting.items()
            if urls
        ]
        why = program.download([(url, path, package.digest) for url, path, package in wanted]) or why
        for _, path, package in wanted:
            if path.exists():
                publish_deb(path, package, paths[package])
                del waiting[package]
    return {package: why or places.none(package) for package in waiting}
