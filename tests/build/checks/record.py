"""Records what BuildKit's checks find in the cases: ``python tests/build/checks/record.py``, as root.

Its daemon is asked where a case has no base image; its front end, as a library, where one has, and which it refuses.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from suites.buildkit import BuildKit, buildkit
from suites.check_cases import CASES, base, split
from suites.front_end import Reference, built, warned

ANSWERS = Path(__file__).with_name("answers.json")


def _answer(daemon: BuildKit, reference: Reference, case: str, folder: Path) -> dict[str, Any]:
    text, ignore = split(case)
    said = reference.dockerfile(text.encode(), lint=True, base=base(case))
    found = warned(said)
    if base(case) is None:
        folder.mkdir()
        (folder / "Dockerfile").write_text(text)
        (folder / ".dockerignore").write_text(ignore)
        found = daemon.checks(folder)
    return {"found": found, "refused": any(name.endswith("_error") for name in said)}


def main() -> None:
    """Writes the answers."""
    program = built()
    assert isinstance(program, Path), program
    with buildkit() as daemon, tempfile.TemporaryDirectory() as name:
        reference = Reference(program)
        found = {title: _answer(daemon, reference, case, Path(name, title)) for title, case in CASES.items()}
        reference.close()
    lines = (f"{json.dumps(title)}: {json.dumps(answer)}" for title, answer in found.items())
    ANSWERS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
