"""COPY and ADD with every flag give the trees that BuildKit gives, and are refused where it refuses.

Its trees were recorded (`programs/record_copies.py`).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lading.build.errors import DockerfileError
from lading.build.graph.action import ActionResult
from lading.build.solver.shared_entries import check_layer_of
from lading.store.archives.frames import LARGE
from suites.building import Bench, write
from suites.copies import CASES, copies_context, dockerfile
from suites.machine import needs
from suites.programs import tree

pytestmark = needs("root", "overlay")
RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "programs/copies.json").read_text())


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("copies") / "store")
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copies_context(tmp_path_factory.mktemp("copies") / "context")


def test_all_cases_are_recorded() -> None:
    assert list(RECORDED) == list(CASES)


@pytest.mark.parametrize("case", CASES)
def test_as_buildkit(bench: Bench, context: Path, case: str) -> None:
    expected, text = RECORDED[case], dockerfile(case).encode()
    if isinstance(expected, str):
        with pytest.raises(DockerfileError):
            bench.build(context, dockerfile=text)
        return
    assert tree(bench.store, bench.build(context, dockerfile=text).descriptor) == expected


def test_a_linked_copy_is_the_same_on_everything(bench: Bench, tmp_path: Path) -> None:
    """Another base executes nothing of it, and its layer is the same blob."""
    context = write(tmp_path / "context", {"a": "1", "b": "2"})
    layers = []
    for below in ("a", "b"):
        text = f"FROM scratch\nCOPY {below} /there\nCOPY --link a /x/a\nCOPY --link --from=0 /there /y\n"
        built = bench.build(context, dockerfile=text.replace(" --from=0 /there", " b").encode())
        layers.append(bench.manifest(built.descriptor).layers[1:])
    assert layers[0] == layers[1]
    assert sorted(report.cached for report in bench.listener.reports) == [False, True, True]


def test_large_files_are_what_they_say_whatever_was_built_before(bench: Bench, tmp_path: Path) -> None:
    """One that another takes the place of in the same step, and one that lay in an earlier layer."""
    large = [random.Random(seed).randbytes(LARGE // 16) * 16 for seed in range(2)]
    context = write(tmp_path / "context", {"one/large": large[0], "two/large": large[1], "small": "1"})
    text = b"FROM scratch\nCOPY one/large two/large small /d/\n"
    bench.build(context, dockerfile=text)
    write(context, {"small": "changed"})
    again = bench.build(context, dockerfile=text)
    other = Bench(tmp_path / "other")
    try:
        assert other.build(context, dockerfile=text).descriptor == again.descriptor
        for found in (bench, other):
            rows = found.store.index.all("SELECT value FROM cache WHERE kind = 'action' ORDER BY used DESC LIMIT 1")
            (layer,) = (ActionResult.parse(bytes(row[0])).layer for row in rows)
            assert layer is not None
            check_layer_of(found.store, layer)
    finally:
        other.close()
