"""Random programs of file-system changes give the trees that BuildKit gives, here and wherever they are pulled.

Forty were recorded (`programs/record.py`); `programs/against_buildkit.py` holds others against BuildKit itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lading.registry.client.client import Client
from lading.registry.reference import Reference
from lading.registry.transfer.push import push
from suites.building import Bench
from suites.containers_storage import ContainersStorage, containers_storage
from suites.machine import needs
from suites.programs import context, lines, pulled, tree
from suites.registry_server import running_server

pytestmark = needs("root", "overlay", "busybox")
RECORDED: list[dict[str, Any]] = json.loads((Path(__file__).parent / "programs/trees.json").read_text())
PULLED_BY_OTHERS = 3
"""Recorded ones that podman pulls: it is slow."""


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


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: str(case["seed"]))
def test_recorded(bench: Bench, server: str, tmp_path: Path, case: dict[str, Any]) -> None:
    image = bench.build(context(tmp_path / "context", case["runs"])).descriptor
    assert tree(bench.store, image) == case["tree"]
    reference = Reference.parse(f"{server}/programs/p{case['seed']}:1")
    assert pulled(bench, image, reference, tmp_path / "root") == case["tree"]


@needs("podman")
@pytest.mark.parametrize("case", RECORDED[:PULLED_BY_OTHERS], ids=lambda case: str(case["seed"]))
def test_recorded_and_pulled_by_podman(
    bench: Bench, server: str, storage: ContainersStorage, tmp_path: Path, case: dict[str, Any]
) -> None:
    image = bench.build(context(tmp_path / "context", case["runs"])).descriptor
    reference = f"{server}/podman/p{case['seed']}:1"
    with Client() as client:
        push(client, Reference.parse(reference), bench.store, image)
    with storage.shown(f"docker://{reference}", "--tls-verify=false") as view:
        assert lines(view) == case["tree"]
