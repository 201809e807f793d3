"""kill -9 at random moments of build, push, pull and run. LADING_KILLS says how often each (a soak says twenty)."""

from __future__ import annotations

import os
from pathlib import Path

from suites.kills import kill_loop
from suites.machine import needs
from suites.registry_server import running_server

TIMES = int(os.environ.get("LADING_KILLS", "3"))


@needs("root", "overlay", "crun", "conmon", "nft", "ip", "busybox")
def test_kill_9_loses_and_leaves_nothing(tmp_path: Path) -> None:
    lines: list[str] = []
    with running_server(tmp_path / "registry") as address:
        problems = kill_loop(tmp_path, address, ["build", "push", "pull", "run"], TIMES, lines.append)
    print("\n".join(lines))
    assert problems == []
