"""Builds an image from a Debian package set: resolve, fetch, solve, render, attest."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from lading.build.attest.image_manifest import assemble
from lading.build.attest.rendered_layers import LayerRenderer
from lading.build.convert.target_platforms import targets
from lading.build.debian.archives.apt import Resolution
from lading.build.debian.debian_attester import DebianAttester, DebianFacts
from lading.build.debian.debian_spec import DebianSpec, read_spec
from lading.build.debian.locks.lock_changes import check_agreement
from lading.build.debian.locks.lock_file import Lock, lock_path, read_lock
from lading.build.debian.locks.locked_packages import fetch_locked
from lading.build.debian.locks.recorded_set import RecordedSet
from lading.build.debian.package_actions import PackageActions
from lading.build.debian.package_graph import package_graph
from lading.build.debian.resolving import debian_architecture, opened_archives
from lading.build.graph.request import BuildEnvironment, BuildRequest, Built, Rendering
from lading.build.graph.solve_state import SolveState
from lading.build.graph.steps.step_operations import PackageRecord
from lading.build.solver.local_cache import LocalCache, importing
from lading.build.solver.records import StepRecords
from lading.build.solver.solver import Solver
from lading.store.archives.compression import encoder_name
from lading.store.archives.layers import EPOCH
from lading.store.errors import InputError, Remedy
from lading.store.fastclass import dataclass, replace
from lading.store.oci.digests import Digest

_MANY: Final = 127


@dataclass(frozen=True, slots=True)
class PackageSet:
    """What is installed, and the file of each package; `lock` is the digest of the lock that says so."""

    suite: str
    architecture: str
    resolution: Resolution
    debs: Mapping[PackageRecord, Path]
    lock: Digest | None = None


@dataclass(frozen=True, slots=True)
class AskedSet:
    """What a file asks for, and its digest."""

    spec: DebianSpec
    digest: Digest


def build_debian(
    request: BuildRequest, environment: BuildEnvironment, *, fresh: bool, system: Path = Path("/")
) -> Built:
    """Builds the image of a package set, and tags it. The lists of an earlier build serve again unless `fresh`.

    `system` is the root whose apt sources and suite are meant.

    Raises `InputError` with file and member, `DocumentError` for an archive that cannot be trusted,
    `RegistryError` where it cannot be reached.
    """
    begun = environment.clock()
    if request.file is None:
        raise InputError("a Debian package set is a file", hint=Remedy("name file", "name it"))
    spec, data = read_spec(request.file)
    environment = _for_platform(request, spec, environment)
    with environment.store.writing():
        packages = packages_of(spec, request.file, environment, fresh=fresh, system=system)
        layers = len(packages.resolution.packages) + 1 if spec.layer_per_package else 2
        warnings = tuple(_warnings(packages, layers, fresh=fresh))
        for warning in warnings:
            environment.listener.warned(warning)
        built = build_packages(request, environment, AskedSet(spec, Digest.of(data)), packages, begun)
        return replace(built, warnings=warnings)


def build_packages(
    request: BuildRequest, environment: BuildEnvironment, asked: AskedSet, packages: PackageSet, begun: float
) -> Built:
    """Builds the image of these packages, wherever they are from, and tags it."""
    assert request.file is not None
    spec = asked.spec
    with environment.store.writing():
        cache = LocalCache.of(environment.store)
        graph = package_graph(spec, packages.suite, packages.resolution, request, environment.platform)
        epoch = EPOCH if request.epoch is None else request.epoch
        solved = SolveState()
        with tempfile.TemporaryDirectory(prefix="packages-", dir=_work_folder(environment.store.root)) as folder:
            actions = PackageActions(environment, graph, solved, packages.debs, Path(folder))
            records = StepRecords(environment.store.index, Path(os.path.realpath(request.file)))
            caches = importing(cache, environment)
            Solver(environment, caches, solved, actions.of, records, request.again, request.jobs, request.why).solve(
                graph
            )
        LayerRenderer(environment.store, solved, Rendering(epoch, request.compression)).render(graph.chain)
        image = assemble(graph, solved, epoch, environment.store, request.annotations)
        facts = DebianFacts(
            file=request.file.name,
            digest=asked.digest,
            suite=packages.suite,
            architecture=packages.architecture,
            lock=(lock_path(request.file).name, packages.lock) if packages.lock else None,
            epoch=epoch,
            encoder=encoder_name(request.compression),
        )
        attestations, reused = DebianAttester(
            request, environment, cache, spec, packages.resolution, graph, solved, facts
        ).attest(image, begun)
        cache.note_use(solved.cached)
        if environment.shared.targets:
            from lading.build.solver.shared_caches import export  # noqa: PLC0415 - most calls name none

            export(environment, cache, solved, graph.chain.steps)
        if environment.shared.inline:
            from lading.build.attest.inline_cache import InlineCache  # noqa: PLC0415 - most calls name none

            InlineCache(environment, cache, solved).attach(image, graph.chain.steps)
        environment.store.keep(image)
        for name in request.names:
            environment.store.tag(name, image)
    unchanged = reused and len(solved.cached) == len(solved.steps)
    return Built(image, attestations, solved.reports, (), unchanged)


def build_recorded(
    recorded: RecordedSet, request: BuildRequest, environment: BuildEnvironment, debs: Mapping[PackageRecord, Path]
) -> Built:
    """Builds what was built before, of the same packages. Raises as `build_debian` does."""
    begun = environment.clock()
    environment = _for_platform(request, recorded.spec, environment)
    packages = PackageSet(recorded.suite, recorded.architecture, recorded.resolution, debs)
    return build_packages(request, environment, AskedSet(recorded.spec, recorded.digest), packages, begun)


def _warnings(packages: PackageSet, layers: int, *, fresh: bool) -> Iterator[str]:
    if not packages.resolution.dates_checked and not packages.lock:
        yield "apt is configured not to check how old the lists are; the provenance says so"
    if packages.lock and fresh:
        yield "the lock says which packages: nothing is resolved anew"
    if layers > _MANY:
        yield f'{layers} layers: docker and podman take {_MANY} at most; layers = "one" in the file makes fewer'


def _for_platform(request: BuildRequest, spec: DebianSpec, environment: BuildEnvironment) -> BuildEnvironment:
    """The environment for the platform that is asked for: nothing of a package is executed, so any will do."""
    given = {"build-arg": request.arguments, "target": request.target}
    for option, value in given.items():
        if value:
            raise InputError(f"{option} is for Dockerfiles: {request.file} is a Debian package set", option=option)
    wanted, *others = targets(request.platforms, environment.platform)
    if others:
        words = f"platforms {', '.join(map(str, (wanted, *others)))}: a package set is built for one at a time"
        raise InputError(words, option="platform")
    if spec.ld_so_cache and wanted.architecture != environment.platform.architecture:
        raise InputError(f"{request.file}: ld_so_cache: ldconfig writes it for this machine's own platform alone")
    return replace(environment, platform=wanted)


def packages_of(
    spec: DebianSpec, file: Path, environment: BuildEnvironment, *, fresh: bool, system: Path
) -> PackageSet:
    """The packages that a set means: those of its lock, else what it resolves to. Raises as the build does."""
    architecture = debian_architecture(environment.platform)
    if found := read_lock(lock_path(file)):
        lock, data = found
        check_agreement(lock, spec, lock_path(file), file)
        resolution = _locked(lock, architecture, lock_path(file), file)
        debs = fetch_locked(resolution, environment.store, architecture, system)
        return PackageSet(lock.suite, architecture, resolution, debs, Digest.of(data))
    with opened_archives(spec, environment.store, architecture, system) as archives:
        resolution = archives.resolve(fresh=fresh)
        return PackageSet(archives.suite, architecture, resolution, archives.fetch(resolution.packages))


def _locked(lock: Lock, architecture: str, path: Path, file: Path) -> Resolution:
    if architecture in lock.architectures:
        return lock.architectures[architecture]
    raise InputError(
        f"{path} is for {', '.join(lock.architectures)}, not for {architecture}",
        hint=Remedy("lock for more", "lock it for more architectures", str(file)),
    )


def _work_folder(root: Path) -> Path:
    folder = root / "tmp"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
