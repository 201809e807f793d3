"""A corpus of small Dockerfiles gives the trees, configs and refusals that BuildKit gives.

Its answers were recorded (`corpus/record.py`); where there is a `buildkitd` a few are asked for again, all of them with
LADING_CORPUS=all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lading.store.errors import LadingError
from suites.buildkit import BuildKit, buildkit
from suites.corpus import CORPUS, DIFFERENCES, FOLDER, CorpusCase, corpus_config, corpus_context, told_of
from suites.corpus_oracle import answered
from suites.machine import needs
from suites.programs import tree
from suites.runs import SandboxBench

pytestmark = needs("root", "overlay", "busybox", "crun")
ANSWERS: dict[str, Any] = json.loads((FOLDER / "answers.json").read_text())
ASKED_AGAIN = CORPUS if os.environ.get("LADING_CORPUS") == "all" else CORPUS[::40]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxBench]:
    bench = SandboxBench(tmp_path_factory.mktemp("corpus") / "store")
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus_context(tmp_path_factory.mktemp("corpus") / "context")


@pytest.fixture(scope="module")
def daemon() -> Iterator[BuildKit]:
    with buildkit() as daemon:
        yield daemon


def ours(bench: SandboxBench, context: Path, case: CorpusCase) -> dict[str, object] | str:
    """What is made of a case here."""
    try:
        image = bench.build(
            context, dockerfile=case.text.encode(), arguments=case.arguments, target=case.target
        ).descriptor
    except LadingError as error:
        return error.message
    files = tree(bench.store, image) if bench.manifest(image).layers else []
    return {"tree": files, **told_of(corpus_config(bench, image))}


def test_every_case_is_recorded() -> None:
    assert list(ANSWERS) == [case.name for case in CORPUS]
    assert set(DIFFERENCES) <= set(ANSWERS)


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.name)
def test_as_recorded(bench: SandboxBench, context: Path, case: CorpusCase) -> None:
    """A known difference that is none any more fails."""
    found, expected = ours(bench, context, case), ANSWERS[case.name]
    if isinstance(found, str) and isinstance(expected, str):
        assert case.name not in DIFFERENCES
    else:
        assert (found == expected) == (case.name not in DIFFERENCES), (found, expected)


@needs("buildkitd", "runc")
@pytest.mark.parametrize("case", ASKED_AGAIN, ids=lambda case: case.name)
def test_the_record_is_buildkits(daemon: BuildKit, context: Path, tmp_path: Path, case: CorpusCase) -> None:
    found = answered(daemon, case, context, tmp_path / "work")
    assert isinstance(found, str) == isinstance(ANSWERS[case.name], str)
    assert isinstance(found, str) or found == ANSWERS[case.name]
