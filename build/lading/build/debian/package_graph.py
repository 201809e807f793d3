"""A package set to a graph: a step a layer, and last what is derived from all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final

from lading.build.debian.archives.apt import Resolution
from lading.build.debian.debian_spec import DebianSpec
from lading.build.debian.derived_files import CERTIFICATES
from lading.build.debian.dpkg_database import archive_sources
from lading.build.dockerfile.instruction_values import parse_ports
from lading.build.errors import Place
from lading.build.graph.graph import Graph
from lading.build.graph.image_config import PATH, Config, HistoryEntry
from lading.build.graph.request import BuildRequest
from lading.build.graph.steps.chain import Chain
from lading.build.graph.steps.step import Step
from lading.build.graph.steps.step_operations import DeriveOp, DpkgDatabase, Operation, PackageRecord, UnpackOp
from lading.store.errors import InputError
from lading.store.oci.descriptors import Platform

_COMMENT: Final = "lading.debian.v1"


def package_graph(
    spec: DebianSpec, suite: str, resolution: Resolution, request: BuildRequest, platform: Platform
) -> Graph:
    """The graph of the packages, in the order of their names: no layer stands on another but the last.

    Raises `InputError` where packages are to be left for dpkg to configure, and it is not among them.
    """
    file = request.file.name if request.file else ""
    packages = resolution.packages
    database = _database(spec, suite, resolution, file)
    operations: list[Operation] = list(_sets(packages, spec.layer_per_package, database is not None))
    chain = Chain(None, tuple(range(len(operations))))
    operations.append(DeriveOp(chain, spec.ld_so_cache, database))
    steps = tuple(_step(number, operation, file, platform) for number, operation in enumerate(operations))
    config = _config(spec, request, platform, packages)
    config.history += [HistoryEntry(" ".join(step.command), step.number) for step in steps]
    return Graph(steps, chain.then(steps[-1].number), config, (), {})


def _database(spec: DebianSpec, suite: str, resolution: Resolution, file: str) -> DpkgDatabase | None:
    """A database of dpkg's where dpkg is there to read it."""
    names = {package.name for package in resolution.packages}
    if "dpkg" in names:
        sources = archive_sources(spec, suite, resolution) if "apt" in names else ""
        return DpkgDatabase(spec.status, sources)
    if spec.status != "installed":
        raise InputError(f'{file}: status = "{spec.status}" is for sets that dpkg is in: add it, or essential = true')
    return None


def _sets(packages: Sequence[PackageRecord], layer_per_package: bool, for_dpkg: bool) -> Iterator[UnpackOp]:
    if not layer_per_package:
        yield UnpackOp("packages", tuple(packages), for_dpkg)
        return
    for package in packages:
        yield UnpackOp(package.name, (package,), for_dpkg)


def _step(number: int, operation: Operation, file: str, platform: Platform) -> Step:
    text, command = "derive derived files", ["derive"]
    if isinstance(operation, UnpackOp):
        files = (package.filename.rpartition("/")[2] for package in operation.packages)
        text, command = f"unpack {operation.name}", ["unpack", *files]
    return Step(number, "", Place(file, 1, 1), operation, Chain(), text, tuple(command), text, platform)


def _config(spec: DebianSpec, request: BuildRequest, platform: Platform, packages: Sequence[PackageRecord]) -> Config:
    image = spec.image
    env = {"PATH": PATH, **image.env}
    if any(package.name == "ca-certificates" for package in packages):
        # No links by hash are made, which OpenSSL would look for in the folder; the bundle it takes by name.
        env.setdefault("SSL_CERT_FILE", f"/{CERTIFICATES}")
    return Config(
        platform,
        env=env,
        entrypoint=image.entrypoint or None,
        cmd=image.cmd or None,
        ports={port for text in image.expose for port in parse_ports(text)},
        volumes={os.path.normpath(volume) for volume in image.volumes},
        labels={**image.labels, **request.labels},
        workdir=os.path.normpath(f"/{image.workdir}").replace("//", "/"),
        user=image.user,
        stop_signal=image.stop_signal or None,
        comment=_COMMENT,
    )
