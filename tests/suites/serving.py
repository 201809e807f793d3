"""`lading registry serve` as a child process, for tests of the whole."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from suites.commands import LADING


class Registry:
    """`lading registry serve` as a child process."""

    def __init__(self, folder: Path) -> None:
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LADING_ROOT": str(folder / "server")}
        words = [LADING, "registry", "serve", "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert "listening on http://" in line, line
        self.address = line.split("http://")[1].split(",")[0]

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(15) == 0
