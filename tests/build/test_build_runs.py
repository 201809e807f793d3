"""RUN with mounts gives the root file systems and the refusals that BuildKit gives (`programs/record_runs.py`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lading.store.content.blobs import read_blob
from lading.store.errors import LadingError
from suites.machine import needs
from suites.runs import BUILT_ON, EXECUTED, KEYS, MOUNTED, SECRETS, Case, SandboxBench, compared, context, left, told

pytestmark = needs("root", "overlay", "busybox", "crun")
RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "programs/runs.json").read_text())


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxBench]:
    bench = SandboxBench(tmp_path_factory.mktemp("runs") / "store")
    yield bench
    bench.close()


def outcome(bench: SandboxBench, folder: Path, case: Case) -> dict[str, list[object]] | str:
    """The root file system, or the refusal; nothing of the build is left either way."""
    bench.lend({name: SECRETS[name] for name in case.secrets})
    try:
        image = bench.build(
            context(folder, case), arguments=case.arguments, allow=frozenset(case.allow), target=case.target
        ).descriptor
    except LadingError as error:
        return error.message
    finally:
        assert list(left(bench.root)) == []
    return compared(bench.files(image))


@pytest.mark.parametrize("case", MOUNTED, ids=lambda case: case.name)
def test_root_file_systems(bench: SandboxBench, tmp_path: Path, case: Case) -> None:
    found, expected = outcome(bench, tmp_path / "context", case), RECORDED[case.name]
    if isinstance(expected, str):
        assert isinstance(found, str)
    else:
        assert found == expected


@pytest.mark.parametrize("case", KEYS, ids=lambda case: case.name)
def test_keys(bench: SandboxBench, tmp_path: Path, case: Case) -> None:
    found, expected = outcome(bench, tmp_path / "context", case), RECORDED[case.name]
    assert isinstance(found, str) == isinstance(expected, str), (found, expected)


@pytest.mark.parametrize("case", EXECUTED, ids=lambda case: case.name)
def test_execution(bench: SandboxBench, tmp_path: Path, case: Case) -> None:
    found, expected = outcome(bench, tmp_path / "context", case), RECORDED[case.name]
    if isinstance(expected, str):
        assert isinstance(found, str)
    else:
        assert found == expected


@pytest.mark.parametrize("case", BUILT_ON, ids=lambda case: case.name)
def test_onbuild(bench: SandboxBench, tmp_path: Path, case: Case) -> None:
    if case.first:
        bench.build(context(tmp_path / "first", case, case.first), names=("localhost/onbase:latest",))
    found, expected = outcome(bench, tmp_path / "context", case), RECORDED[case.name]
    if isinstance(expected, str):
        assert isinstance(found, str)
        return
    assert found == expected["files"]
    image = bench.build(context(tmp_path / "again", case), arguments=case.arguments).descriptor
    config = json.loads(read_blob(bench.store.blobs, bench.manifest(image).config.digest))
    assert told(config) == {name: expected[name] for name in ("config", "history")}
