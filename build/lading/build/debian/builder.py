"""Builds an image from a Debian package set: resolve, fetch, unpack, derive, assemble, attest."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from lading.build.attest.image import timestamp
from lading.build.debian.apt import Apt, Resolution
from lading.build.debian.attesting import DebianAttester, DebianFacts
from lading.build.debian.derived import CERTIFICATES
from lading.build.debian.lists import PackageRecord
from lading.build.debian.packages import SolvedPart, Workshop, parts_of
from lading.build.debian.release import read_keys
from lading.build.debian.reporting import Reporter
from lading.build.debian.saved import SavedResolutions
from lading.build.debian.sources import machine_release, machine_sources, select
from lading.build.debian.spec import MAX_SIZE, DebianSpec, parse_spec
from lading.build.dockerfile.values import parse_ports
from lading.build.graph.request import BuildEnvironment, BuildRequest, Built
from lading.build.solver.local_cache import LocalCache, one_builder
from lading.build.solver.trim import note_use
from lading.store.archives.compression import encoder_name
from lading.store.archives.layers import EPOCH
from lading.store.content.blobs import write_blob
from lading.store.errors import InputError, Remedy
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import CONFIG, MANIFEST
from lading.store.oci.json import canonical
from lading.store.system.opening import read_below
from lading.store.system.private import private_folder

_ARCHITECTURES: Final = {"amd64": "amd64", "arm64": "arm64", "386": "i386", "ppc64le": "ppc64el", "riscv64": "riscv64"}
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MANY: Final = 127
_COMMENT: Final = "lading.debian.v1"


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
        suite, resolution, debs = _packages(spec, environment, fresh, system)
        workshop = Workshop(
            cache=cache,
            root=environment.store.root,
            blobs=environment.store.blobs,
            folder=_work_folder(environment.store.root),
            debs=debs,
            epoch=EPOCH if request.epoch is None else request.epoch,
            compression=request.compression,
            ld_so_cache=spec.ld_so_cache,
            again=request.no_cache,
        )
        parts = parts_of(resolution.packages, spec.layer_per_package)
        warnings = tuple(_warnings(resolution, len(parts) + 1))
        for warning in warnings:
            environment.listener.warned(warning)
        reporter = Reporter(environment, request.file.name, parts)
        solved = workshop.solve(parts, reporter)
        image = _assemble(spec, request, environment, solved, workshop.epoch)
        facts = DebianFacts(
            file=request.file.name,
            digest=Digest.of(data),
            suite=suite,
            architecture=_architecture(environment),
            epoch=workshop.epoch,
            encoder=encoder_name(request.compression),
        )
        attestations, reused = DebianAttester(
            request, environment, cache, spec, resolution, tuple(solved), facts
        ).attest(image, begun)
        cache.note_use(item.key for item in solved if item.cached)
        environment.store.keep(image)
        for name in request.names:
            environment.store.tag(name, image)
    unchanged = reused and all(item.cached for item in solved)
    return Built(image, attestations, reporter.reports, (), unchanged, warnings)


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
    if request.platform is not None and request.platform not in (str(own), f"{own.os}/{own.architecture}"):
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


def _packages(
    spec: DebianSpec, environment: BuildEnvironment, fresh: bool, system: Path
) -> tuple[str, Resolution, dict[PackageRecord, Path]]:
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


def _assemble(
    spec: DebianSpec, request: BuildRequest, environment: BuildEnvironment, solved: Sequence[SolvedPart], epoch: int
) -> Descriptor:
    created = timestamp(epoch)
    config = canonical(
        {
            "created": created,
            "os": environment.platform.os,
            "architecture": environment.platform.architecture,
            **({"variant": environment.platform.variant} if environment.platform.variant else {}),
            "config": _config(spec, request, solved),
            "rootfs": {"type": "layers", "diff_ids": [str(item.layer.diff_id) for item in solved]},
            "history": [
                {"created": created, "created_by": " ".join(item.part.command), "comment": _COMMENT} for item in solved
            ],
        }
    )
    write_blob(environment.store.blobs, config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": Descriptor.of(config, CONFIG).json(),
        "layers": [item.layer.descriptor.json() for item in solved],
    }
    return environment.store.put_manifest(canonical(manifest), MANIFEST)


def _config(spec: DebianSpec, request: BuildRequest, solved: Sequence[SolvedPart]) -> dict[str, object]:
    image = spec.image
    env = {"PATH": _PATH, **image.env}
    if any(package.name == "ca-certificates" for item in solved for package in item.part.packages):
        # No links by hash are made, which OpenSSL would look for in the folder; the bundle it takes by name.
        env.setdefault("SSL_CERT_FILE", f"/{CERTIFICATES}")
    value: dict[str, object] = {
        "Env": [f"{name}={text}" for name, text in env.items()],
        "Entrypoint": list(image.entrypoint),
        "Cmd": list(image.cmd),
        "User": image.user,
        "WorkingDir": os.path.normpath(f"/{image.workdir}").replace("//", "/"),
        "Labels": {**image.labels, **request.labels},
        "ExposedPorts": {port: {} for text in image.expose for port in parse_ports(text)},
        "Volumes": {os.path.normpath(volume): {} for volume in image.volumes},
        "StopSignal": image.stop_signal,
    }
    return {name: item for name, item in value.items() if item}
