"""What bake files come to is what buildx prints for them, or a refusal where that refuses.

Its answers were recorded (`bake/record.py`); where there is a `buildx` a few are asked for again, all of them with
LADING_CORPUS=all.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from suites.bake_cases import BAKE_CASES, DIFFERENCES, FOLDER, BakeCase, printed
from suites.commands import LADING
from suites.machine import BIN, needs

RECORD: dict[str, Any] = json.loads((FOLDER / "answers.json").read_text())
ANSWERS: dict[str, Any] = RECORD["answers"]
ASKED_AGAIN = BAKE_CASES if os.environ.get("LADING_CORPUS") == "all" else BAKE_CASES[::20]


def test_every_case_is_recorded() -> None:
    assert list(ANSWERS) == [case.name for case in BAKE_CASES]
    assert set(DIFFERENCES) <= set(ANSWERS)


@pytest.mark.parametrize("case", BAKE_CASES, ids=lambda case: case.name)
def test_as_recorded(case: BakeCase, tmp_path: Path) -> None:
    """A known difference that is none any more fails."""
    found = printed([str(LADING)], case, case.write(tmp_path / "work"), tmp_path)
    assert (found == ANSWERS[case.name]) == (case.name not in DIFFERENCES), (found, ANSWERS[case.name])


@needs("buildx")
@pytest.mark.parametrize("case", ASKED_AGAIN, ids=lambda case: case.name)
def test_the_record_is_buildxs(case: BakeCase, tmp_path: Path) -> None:
    assert printed([str(BIN / "buildx")], case, case.write(tmp_path / "work"), tmp_path) == ANSWERS[case.name]
