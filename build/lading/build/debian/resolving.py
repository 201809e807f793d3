"""What a package set resolves to on this machine, in a folder of lists for its sources that builds share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lading.build.debian.archives.apt import Apt, Resolution
from lading.build.debian.archives.apt_sources import given_sources, machine_release, machine_sources, select
from lading.build.debian.archives.release import read_keys
from lading.build.debian.archives.saved_resolutions import SavedResolutions
from lading.build.debian.debian_spec import DebianSpec
from lading.build.graph.steps.step_operations import PackageRecord
from lading.build.solver.cache_trimming import note_use
from lading.build.solver.local_cache import one_builder
from lading.store.errors import InputError
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Platform
from lading.store.store import Store
from lading.store.system.private_folders import private_folder

_ARCHITECTURES: Final = {
    "amd64": "amd64", "arm64": "arm64", "armv7": "armhf", "armv5": "armel", "386": "i386", "ppc64le": "ppc64el",
    "riscv64": "riscv64", "s390x": "s390x", "mips64le": "mips64el",
}  # fmt: skip


def debian_architecture(platform: Platform) -> str:
    """Debian's name for the packages of `platform`. Raises `InputError` where it has none."""
    name = (
        f"{platform.architecture}{platform.variant or ''}"
        if platform.architecture == "arm"
        else (platform.architecture)
    )
    if name not in _ARCHITECTURES:
        raise InputError(f"Debian has no packages for {platform}")
    return _ARCHITECTURES[name]


@dataclass(frozen=True, slots=True)
class Archives:
    """The archives of a set for one architecture, with their lists; nobody else changes these meanwhile."""

    spec: DebianSpec
    suite: str
    apt: Apt
    saved: SavedResolutions
    folder: Path

    def resolve(self, *, fresh: bool) -> Resolution:
        """What the set resolves to: with the lists that are here, unless `fresh` or there are none."""
        names, essential = self.spec.packages, self.spec.essential
        if fresh or self.apt.lists() is None:
            self.apt.update()
        asked = ("essential:", *names) if essential else names  # no package's name has a colon
        resolution = self.saved.get(self.apt.lists(), asked)
        if resolution is None:
            resolution = self.apt.resolve(names, essential=essential)
            self.saved.put(self.apt.lists(), asked, resolution)
        note_use((self.folder,))
        return resolution

    def fetch(self, packages: Sequence[PackageRecord]) -> dict[PackageRecord, Path]:
        """The .deb of each, here afterwards."""
        debs = self.apt.fetch(packages)
        note_use(tuple(debs.values()))
        return debs


@contextmanager
def opened_archives(spec: DebianSpec, store: Store, architecture: str, system: Path) -> Generator[Archives, None, None]:
    """The archives that the machine `system` has for the set. Raises `InputError` where it has none, or odd ones."""
    release = machine_release(system)
    suite = spec.suite or release.codename
    configured = given_sources(spec.sources) if spec.sources else machine_sources(system)
    sources = select(configured, release, suite, spec.components, architecture, spec.suites)
    keys = {source: read_keys(source.signed_by, system) for source in sources}
    shown = json.dumps([[source.uri, source.suite, source.components, source.signed_by] for source in sources])
    pins = json.dumps(spec.suites) if spec.suites else ""
    key = hashlib.sha256(f"{architecture} {shown}{pins}".encode()).hexdigest()[:16]
    folder = store.root / "cache" / "debian" / key
    private_folder(folder)
    with one_builder(store.root, key):
        apt = Apt(folder, sources, keys, architecture, spec.suites)
        yield Archives(spec, suite, apt, SavedResolutions(store.index, keys, architecture, pins), folder)
