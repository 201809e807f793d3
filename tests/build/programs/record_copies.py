"""Records what BuildKit makes of every COPY and ADD of `suites.copies`: ``python …/record_copies.py``, as root."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from suites.buildkit import buildkit
from suites.copies import CASES, copies_context, dockerfile
from suites.programs import lines

COPIES = Path(__file__).with_name("copies.json")
_UNSTABLE = re.compile(r"^error: failed to solve: |failed to .* of ref \S+: ")


def main() -> None:
    """A case that BuildKit refuses is recorded as the last line of what it says."""
    found: dict[str, object] = {}
    with buildkit() as daemon, tempfile.TemporaryDirectory() as name:
        context = copies_context(Path(name, "context"))
        for number, case in enumerate(CASES):
            apart = Path(name, f"file{number}")
            apart.mkdir()
            (apart / "Dockerfile").write_text(dockerfile(case))
            try:
                daemon.build(context, Path(name, f"root{number}"), apart)
                found[case] = lines(Path(name, f"root{number}"))
            except AssertionError as error:
                found[case] = _UNSTABLE.sub("", str(error).strip().splitlines()[-1])
    COPIES.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


main()
