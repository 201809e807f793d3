"""Records what BuildKit makes of the first programs: ``python tests/build/programs/record.py [COUNT]``, as root."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from suites.buildkit import buildkit
from suites.programs import context, lines, program

TREES = Path(__file__).with_name("trees.json")


def main() -> None:
    """Writes the programs themselves, too, so that another generator needs another recording, and no more."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    found: list[dict[str, object]] = []
    with buildkit() as daemon, tempfile.TemporaryDirectory() as name:
        for seed in range(count):
            runs = program(seed)
            folder = context(Path(name, f"context{seed}"), runs)
            daemon.build(folder, Path(name, f"root{seed}"))
            found.append({"seed": seed, "runs": runs, "tree": lines(Path(name, f"root{seed}"))})
    TREES.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


main()
