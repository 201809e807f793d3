"""Processes that die by kill -9 at a step of their own work, so that no clock decides what a test sees.

Python tells audit hooks of each file that is opened, made, renamed or removed and of each child that is started. A
dying process counts those and ends itself at one of them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

HOOK = """
import os as _os, signal as _signal, sys as _sys
_steps = [0, int(_os.environ.pop("DIE_AT", "0")), _os.environ.pop("STEPS_FILE", ""), _os.getpid(), -1]
if _steps[2]:
    _steps[4] = _os.open(_steps[2], _os.O_WRONLY | _os.O_CREAT | _os.O_CLOEXEC, 0o600)
_told = ("open", "os.rename", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.remove", "os.chmod", "os.chown",
         "os.utime", "subprocess.Popen", "os.posix_spawn", "os.fork", "os.listdir", "os.scandir", "ctypes.dlsym")
def _count(event, words):
    if event in _told and _os.getpid() == _steps[3]:
        _steps[0] += 1
        if _steps[4] >= 0:  # at once: a command may end without a farewell
            _os.pwrite(_steps[4], b"%12d" % _steps[0], 0)
        if _steps[0] == _steps[1]:
            _os.kill(_os.getpid(), _signal.SIGKILL)
_sys.addaudithook(_count)
"""
_LADING = "from lading.cli.main import main\nmain()\n"


def start(
    code: str, *words: object, at: int, environment: Mapping[str, str] | None = None, **more: Any
) -> subprocess.Popen[str]:
    """Starts Python code that kills itself at its step number `at`, counted from where `code` begins; 0: never."""
    variables = {**(os.environ if environment is None else environment), "DIE_AT": str(at)}
    argv = [sys.executable, "-c", HOOK + code, *map(str, words)]
    settings: dict[str, Any] = {"stdout": subprocess.PIPE, "text": True, **more}
    return subprocess.Popen(argv, env=variables, **settings)


def start_lading(
    words: Sequence[str], *, at: int, environment: Mapping[str, str], **more: Any
) -> subprocess.Popen[str]:
    """As `start`, of the command line."""
    return start(_LADING, *words, at=at, environment=environment, **more)


def steps_of_lading(words: Sequence[str], *, environment: Mapping[str, str], folder: Path) -> int:
    """How many steps a call takes when it is left alone."""
    file = folder / "steps"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    variables = {**environment, "STEPS_FILE": str(file)}
    start_lading(words, at=0, environment=variables, **quiet).wait()
    return int(file.read_text())


def killed(process: subprocess.Popen[str]) -> bool:
    """Waits for a process to end; whether it was killed, and had not come to its end before."""
    return process.wait() == -signal.SIGKILL


def said(process: subprocess.Popen[str]) -> list[str]:
    """The whole lines that a process wrote until it ended."""
    stream: IO[str] | None = process.stdout
    assert stream is not None
    return [line.rstrip("\n") for line in stream.read().splitlines(keepends=True) if line.endswith("\n")]
