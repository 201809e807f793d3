"""Records what BuildKit makes of every COPY and ADD of `suites`: ``python …/record_copies.py``, as root."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from suites.buildkit import BuildKit, buildkit
from suites.copies import CASES, copies_context, dockerfile
from suites.programs import lines
from suites.remote_copies import REMOTE_CASES, remote_servers

_UNSTABLE = re.compile(r"^error: failed to solve: |failed to .* of ref \S+: |127\.0\.0\.1:\d+")


def record(daemon: BuildKit, folder: Path, cases: Iterable[tuple[str, str]]) -> dict[str, object]:
    """The trees of Dockerfiles in `folder`; of one that BuildKit refuses the last line of what it says."""
    context = copies_context(folder / "context")
    found: dict[str, object] = {}
    for number, (case, text) in enumerate(cases):
        apart = folder / f"file{number}"
        apart.mkdir()
        (apart / "Dockerfile").write_text(text)
        try:
            daemon.build(context, folder / f"root{number}", apart)
            found[case] = lines(folder / f"root{number}")
        except AssertionError as error:
            found[case] = _UNSTABLE.sub("", str(error).strip().splitlines()[-1])
    return found


def _write(name: str, found: dict[str, object]) -> None:
    Path(__file__).with_name(name).write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def main() -> None:
    """Writes both recordings."""
    with buildkit() as daemon, tempfile.TemporaryDirectory() as name:
        local, remote = Path(name, "local"), Path(name, "remote")
        local.mkdir()
        remote.mkdir()
        _write("copies.json", record(daemon, local, ((case, dockerfile(case)) for case in CASES)))
        with remote_servers(remote) as names:
            texts = ((case, f"FROM scratch\n{text.format(**names)}") for case, text in REMOTE_CASES.items())
            _write("remote_copies.json", record(daemon, remote, texts))


main()
