"""An OCI runtime driven through its command line: crun, or runc where it is named (ADR 0006).

What they print when they fail is all there is to tell a missing program (127, as docker and shells have it) from one
that cannot be executed (126) and from a fault of ours (125).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from lading.runtime.oci.processes import PATH, capture
from lading.store.errors import MachineError

ENV: Final = {"PATH": PATH, "LC_ALL": "C.UTF-8"}

_MISSING: Final = r"(?i)\bexec(utable)?\b[^\n]*(no such file or directory|not found)"
_UNUSABLE: Final = r"(?i)\bexec(utable)?\b[^\n]*(permission denied|operation not permitted|format error|is a directory)"
_UNTOLD: Final = "read FD: connection closed"
"""crun's word for a program that ended before it had its terminal, said at times in place of why: it is not there."""
_FOLDER: Final = r"(?i)\bchdir\b[^\n]*: ([^\n:]+)\Z"


class StartError(MachineError):
    """The container's program could not be started. `code` is 126, 127, or 125 where the fault is ours."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def start_error(text: str, program: str) -> StartError:
    """What a runtime's words mean for the user."""
    text = text.strip() or "the OCI runtime failed without a word"
    if found := re.search(_FOLDER, text):
        code = 127 if found[1].lower() == "no such file or directory" else 125
        return StartError(f"the working folder cannot be entered in the container: {found[1]}", code)
    if re.search(_MISSING, text) or _UNTOLD in text:
        return StartError(f"{program}: not found in the container", 127)
    if re.search(_UNUSABLE, text):
        return StartError(f"{program}: cannot be executed in the container: {_reason(text)}", 126)
    return StartError(f"the container could not be started: {' '.join(text.split())}", 125)


def _reason(text: str) -> str:
    return text.rpartition(":")[2].strip() or text


class OciRuntime:
    """The program at `path` (its kind told by its name), keeping its own state in `state`.

    Without `cgroups` it makes no control groups.
    """

    def __init__(self, path: str, state: Path, *, cgroups: bool = True) -> None:
        self.path = path
        self.state = state
        self.cgroups = cgroups

    def argv(self, *words: str) -> list[str]:
        """A command line of it; cgroupfs is the manager with both runtimes unless systemd is asked for."""
        without = [] if self.cgroups else ["--cgroup-manager=disabled"]
        return [self.path, *without, "--root", str(self.state), *words]

    @property
    def hands_over(self) -> bool:
        """Whether it gives us the leading side of an exec's terminal; runc carries bytes between that and its own."""
        return os.path.basename(self.path) != "runc"

    def start(self, container: str, program: str) -> None:
        """Runs the program of a created container. Raises `StartError`."""
        code, text = capture(self.argv("start", container), ENV)
        if code:
            raise start_error(text, program)

    def delete(self, container: str) -> None:
        """Kills what is left of a container and forgets it; one that is unknown is fine."""
        capture(self.argv("delete", "--force", container), ENV)

    def knows(self, container: str) -> bool:
        """Whether it keeps state for a container."""
        return (self.state / container).exists()
