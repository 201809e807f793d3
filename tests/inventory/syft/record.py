"""Records what syft finds in the trees of the suite: ``python tests/inventory/syft/record.py``.

Where it is not among the peers it is built by the Go toolchain, in some minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from suites.machine import BIN
from suites.recorded_trees import FOLDER, TREES, by_syft

VERSION = "github.com/anchore/syft/cmd/syft@v1.57.1"


def main() -> None:
    """All of them."""
    syft = BIN / "syft"
    if not syft.exists():
        environment = {**os.environ, "GOBIN": str(BIN), "CGO_ENABLED": "0", "GOFLAGS": "-trimpath"}
        subprocess.run(["go", "install", VERSION], check=True, env=environment)
    with tempfile.TemporaryDirectory() as name:
        found = {tree.name: by_syft(syft, tree, Path(name, str(number))) for number, tree in enumerate(TREES)}
    text = json.dumps({"version": VERSION, "trees": found}, indent=1, ensure_ascii=False)
    (FOLDER / "answers.json").write_text(f"{text}\n")


main()
