"""Records what buildx prints for the bake files of the corpus: ``python tests/build/bake/record.py [NAME...]``."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from suites.bake_cases import BAKE_CASES, FOLDER, printed
from suites.machine import BIN

ANSWERS = FOLDER / "answers.json"


def main() -> None:
    """Those named, or all."""
    version = (BIN / ".buildx.version").read_text().strip()
    wanted = sys.argv[1:]
    known: dict[str, Any] = json.loads(ANSWERS.read_text())["answers"] if wanted else {}
    with tempfile.TemporaryDirectory() as name:
        for number, case in enumerate(BAKE_CASES):
            if not wanted or case.name in wanted:
                folder = case.write(Path(name, str(number)))
                known[case.name] = printed([str(BIN / "buildx")], case, folder, Path(name))
    found: dict[str, Any] = {"version": version, "answers": {case.name: known[case.name] for case in BAKE_CASES}}
    ANSWERS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


main()
