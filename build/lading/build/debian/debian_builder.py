"""Builds an image from a Debian package set: resolve, fetch, solve, render, attest."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lading.build.attest.image_manifest import assemble
from lading.build.convert.own_platform import is_own
from lading.build.debian.apt import Apt, Resolution
from lading.build.debian.apt_sources import machine_release, machine_sources, select
from lading.build.debian.debian_attester import DebianAttester, DebianFacts
from lading.build.debian.debian_spec import MAX_SIZE, DebianSpec, parse_spec
from lading.build.debian.package_actions import PackageActions
from lading.build.debian.package_graph import package_graph
from lading.build.debian.release import read_keys
from lading.build.debian.saved_resolutions import SavedResolutions
from lading.build.graph.request import BuildEnvironment, BuildRequest, Built, Rendering
from lading.build.graph.solve_state import SolveState
from lading.build.graph.steps.step_operations import PackageRecord
from lading.build.solver.cache_trimming import note_use
from lading.build.solver.local_cache import LocalCache, importing, one_builder
from lading.build.solver.records import StepRecords
from lading.build.solver.solver import Solver
from lading.store.archives.compression import encoder_name
from lading.store.archives.layers import EPOCH
from lading.store.errors import InputError, Remedy
from lading.store.oci.digests import Digest
from lading.store.system.private_folders import private_folder
from lading.store.system.regular_files import read_below

_ARCHITECTURES: Final = {"amd64": "amd64", "arm64": "arm64", "386": "i386", "ppc64le": "ppc64el", "riscv64": "riscv64"}
_MANY: Final = 127


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
    data = _read(request.file)
    spec = parse_spec(data, str(request.file))
    _refuse(request, environment)
    with environment.store.writing():
        cache = LocalCache.of(environment.store)
        suite, resolution, debs = packages_of(spec, environment, fresh, system)
        graph = package_graph(spec, resolution.packages, request, environment.platform)
        warnings = tuple(_warnings(resolution, len(graph.steps)))
        for warning in warnings:
            environment.listener.warned(warning)
        epoch = EPOCH if request.epoch is None else request.epoch
        solved = SolveState()
        with tempfile.TemporaryDirectory(prefix="packages-", dir=_work_folder(environment.store.root)) as folder:
            rendering = Rendering(epoch, request.compression)
            actions = PackageActions(environment, graph, solved, rendering, debs, Path(folder))
            records = StepRecords(environment.store.index, Path(os.path.realpath(request.file)))
            caches = importing(cache, environment)
            Solver(environment, caches, solved, actions.of, records, request.again, request.jobs, request.why).solve(
                graph
            )
        image = assemble(graph, solved, epoch, environment.store, request.annotations)
        facts = DebianFacts(
            file=request.file.name,
            digest=Digest.of(data),
            suite=suite,
            architecture=_architecture(environment),
            epoch=epoch,
            encoder=encoder_name(request.compression),
        )
        attestations, reused = DebianAttester(
            request, environment, cache, spec, resolution, graph, solved, facts
        ).attest(image, begun)
        cache.note_use(solved.cached)
        if environment.shared.targets:
            from lading.build.solver.shared_caches import export  # noqa: PLC0415 - most calls name none

            export(environment, cache, solved, graph.chain.steps)
        environment.store.keep(image)
        for name in request.names:
            environment.store.tag(name, image)
    unchanged = reused and len(solved.cached) == len(solved.steps)
    return Built(image, attestations, solved.reports, (), unchanged, warnings)


def _read(file: Path) -> bytes:
    try:
        return read_below(file.parent, file.name, MAX_SIZE)
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from error


def _warnings(resolution: Resolution, layers: int) -> Iterator[str]:
    if not resolution.dates_checked:
        yield "apt is configured not to check how old the lists are; the provenance says so"
    if layers > _MANY:
        yield f'{layers} layers: docker and podman take {_MANY} at most; layers = "one" in the file makes fewer'


def _refuse(request: BuildRequest, environment: BuildEnvironment) -> None:
    own = environment.platform
    if request.platform is not None and not is_own(request.platform, own):
        raise InputError(
            f"platform {request.platform} is not supported yet: only this machine's own, {own}", option="platform"
        )
    given = {"build-arg": request.arguments, "target": request.target}
    for option, value in given.items():
        if value:
            raise InputError(f"{option} is for Dockerfiles: {request.file} is a Debian package set", option=option)


def _architecture(environment: BuildEnvironment) -> str:
    own = environment.platform
    name = f"{own.architecture}{own.variant or ''}" if own.architecture == "arm" else own.architecture
    known = {**_ARCHITECTURES, "armv7": "armhf", "s390x": "s390x"}
    if name not in known:
        raise InputError(f"Debian has no packages for {own}")
    return known[name]


def packages_of(
    spec: DebianSpec, environment: BuildEnvironment, fresh: bool, system: Path
) -> tuple[str, Resolution, dict[PackageRecord, Path]]:
    """The suite that is meant, what a set resolves to there, and the file of each package. Raises as the build does."""
    release = machine_release(system)
    suite = spec.suite or release.codename
    architecture = _architecture(environment)
    sources = select(machine_sources(system), release, suite, spec.components, architecture)
    keys = {source: read_keys(source.signed_by, system) for source in sources}
    shown = json.dumps([[source.uri, source.suite, source.components, source.signed_by] for source in sources])
    key = hashlib.sha256(f"{architecture} {shown}".encode()).hexdigest()[:16]
    folder = environment.store.root / "cache" / "debian" / key
    private_folder(folder)
    with one_builder(environment.store.root, key):
        apt = Apt(folder, sources, keys, architecture)
        if fresh or apt.lists() is None:
            apt.update()
        saved = SavedResolutions(environment.store.index, keys, architecture)
        resolution = saved.get(apt.lists(), spec.packages)
        if resolution is None:
            resolution = apt.resolve(spec.packages)
            saved.put(apt.lists(), spec.packages, resolution)
        debs = apt.fetch(resolution.packages)
        note_use((folder, *debs.values()))
        return suite, resolution, debs


def _work_folder(root: Path) -> Path:
    folder = root / "tmp"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
