"""Records what BuildKit makes of the corpus: ``python tests/build/corpus/record.py [NAME...]``, as root."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from suites.buildkit import buildkit
from suites.corpus import CORPUS, FOLDER, corpus_context
from suites.corpus_oracle import answered

ANSWERS = FOLDER / "answers.json"


def main() -> None:
    """Those named, or all."""
    wanted = sys.argv[1:]
    known: dict[str, object] = json.loads(ANSWERS.read_text()) if wanted else {}
    with buildkit() as daemon, tempfile.TemporaryDirectory() as name:
        context = corpus_context(Path(name, "context"))
        for number, case in enumerate(CORPUS):
            if not wanted or case.name in wanted:
                known[case.name] = answered(daemon, case, context, Path(name, str(number)))
    found = {case.name: known[case.name] for case in CORPUS}
    ANSWERS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


main()
