"""`lading build --debug`: the terminal lent to a shell in the place of a step that failed."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from lading.cli.display.output import end_drawing, escape
from lading.store.errors import UsageError

if TYPE_CHECKING:
    from lading.build.errors import StepError
    from lading.build.graph.executor import CallerTerminal
    from lading.cli.display.output import Output

_CHUNK: Final = 1 << 14
_NOT_FOUND: Final = 127
_LOOK: Final = 200
"""Milliseconds between two looks at the window's size."""


class StepShell:
    """A `Debugger`, and the terminal that it lends: standard input, and standard error as what is seen.

    Raises `UsageError` where these are none.
    """

    def __init__(self, output: Output) -> None:
        if not (os.isatty(0) and os.isatty(2)):
            raise UsageError("--debug needs a terminal: it opens a shell where a step fails")
        self._output = output

    def failed(self, error: StepError, shell: Callable[[CallerTerminal], int]) -> None:
        """As `Debugger.failed`."""
        end_drawing()
        for line in error.log:
            self._output.note(escape(f"  | {line}"))
        self._output.note(escape(f"{error.message}: a shell in its place; when it ends, so does the build"))
        if shell(self) == _NOT_FOUND:
            self._output.note("that shell ended with 127: perhaps the image has none")

    @property
    def size(self) -> tuple[int, int]:
        """As `CallerTerminal.size`."""
        return termios.tcgetwinsize(0)

    def attach(self, leader: int, process: int) -> None:
        """As `CallerTerminal.attach`."""
        ended = os.pidfd_open(process)
        try:
            with _raw():
                _carry(leader, ended, lambda: self._fit(leader, process))
        finally:
            os.close(ended)

    def _fit(self, leader: int, process: int) -> None:
        """Gives the other terminal the size of this one where it has another."""
        with suppress(OSError, termios.error):  # a terminal that is gone, or a process that has ended
            if termios.tcgetwinsize(leader) != (size := self.size):
                termios.tcsetwinsize(leader, size)
                os.kill(process, signal.SIGWINCH)


@contextmanager
def _raw() -> Generator[None, None, None]:
    """Every key goes to the shell; afterwards the terminal is as it was."""
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        sys.stderr.write("\r\n")
        sys.stderr.flush()


def _carry(leader: int, ended: int, fit: Callable[[], None]) -> None:
    """Both ways until the process has ended; `fit` again and again, since no signal reaches a step's thread.

    What the shell does not read yet waits here, and keeps nobody from taking what it writes: it may wait for that.
    """
    os.set_blocking(leader, False)
    typed, typing, writing, over = b"", True, True, False
    while not over:
        poll = select.poll()
        poll.register(ended, select.POLLIN)
        if typing and not typed:
            poll.register(0, select.POLLIN)
        if writing:
            poll.register(leader, select.POLLIN | (select.POLLOUT if typed else 0))
        ready = dict(poll.poll(_LOOK))
        fit()
        over = ended in ready
        if ready.get(leader, 0) & ~select.POLLOUT:
            writing = _shown(leader)
        if 0 in ready:
            typed = _read(0)
            typing = bool(typed)
        if typed and writing:
            typed = _written(leader, typed)
    while select.select([leader], [], [], 0)[0] and _shown(leader):
        pass


def _shown(leader: int) -> bool:
    """Whether there was something, and it was taken."""
    data = _read(leader)
    try:
        while data:
            data = data[os.write(2, data) :]
            if not data:
                return True
    except OSError:  # the caller's terminal is gone
        return False
    return False


def _read(source: int) -> bytes:
    try:
        return os.read(source, _CHUNK)
    except OSError:  # EIO: nobody has the other side open
        return b""


def _written(leader: int, data: bytes) -> bytes:
    """What is left of it; nothing where nobody will ever read it."""
    try:
        return data[os.write(leader, data) :]
    except BlockingIOError:
        return data
    except OSError:
        return b""
