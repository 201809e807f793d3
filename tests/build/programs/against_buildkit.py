"""Random programs against BuildKit itself, on a machine that has `buildkitd`.

LADING_PROGRAMS says how many, LADING_SEED the first of their seeds.

The trees are compared where they were built, on a fresh root that pulled them from our registry, and as podman pulls
them. Not collected by itself: `scripts/soak` names it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.registry.reference import Reference
from suites.building import Bench
from suites.buildkit import BuildKit, buildkit
from suites.containers_storage import ContainersStorage, containers_storage
from suites.machine import needs
from suites.programs import context, lines, program, pulled, tree
from suites.registry_server import running_server

pytestmark = needs("root", "overlay", "busybox", "buildkitd", "runc", "podman")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("programs") / "store")
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_server(tmp_path_factory.mktemp("registry") / "storage") as address:
        yield address


@pytest.fixture(scope="module")
def storage() -> Iterator[ContainersStorage]:
    with containers_storage() as storage:
        yield storage


@pytest.fixture(scope="module")
def daemon() -> Iterator[BuildKit]:
    with buildkit() as daemon:
        yield daemon


FIRST = int(os.environ.get("LADING_SEED", "0"))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + int(os.environ.get("LADING_PROGRAMS", "200"))))
def test_against_buildkit(
    bench: Bench, server: str, daemon: BuildKit, storage: ContainersStorage, tmp_path: Path, seed: int
) -> None:
    folder = context(tmp_path / "context", program(seed))
    daemon.build(folder, tmp_path / "theirs")
    expected = lines(tmp_path / "theirs")
    image = bench.build(folder).descriptor
    assert tree(bench.store, image) == expected
    reference = f"{server}/live/p{seed}:1"
    assert pulled(bench, image, Reference.parse(reference), tmp_path / "root") == expected
    with storage.shown(f"docker://{reference}", "--tls-verify=false") as view:
        assert lines(view) == expected
