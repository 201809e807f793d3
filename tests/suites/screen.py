"""A terminal as a person has it: a command on a pty of its own, and the screen as pyte, a terminal emulator, draws it.

Tests wait for what the screen shows, never for a time.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyte

from suites.commands import LADING, Lading
from suites.patience import PATIENCE


@dataclass
class Terminal:
    """`process` on a terminal; `raw` is every byte it wrote."""

    process: subprocess.Popen[bytes]
    master: int
    columns: int
    rows: int
    before: list[object]
    raw: bytearray = field(default_factory=bytearray)
    _pyte: pyte.HistoryScreen = field(init=False)
    _stream: pyte.ByteStream = field(init=False)
    _ended: bool = False

    def __post_init__(self) -> None:
        self._pyte = pyte.HistoryScreen(self.columns, self.rows, history=5000)
        self._stream = pyte.ByteStream(self._pyte)

    @property
    def lines(self) -> list[str]:
        """What was scrolled away and what stands on the screen now, without blanks at the ends of lines."""
        gone = [
            "".join(line[column].data for column in range(self._pyte.columns)).rstrip()
            for line in self._pyte.history.top
        ]
        shown = [line.rstrip() for line in self._pyte.display]
        while shown and not shown[-1]:
            shown.pop()
        return gone + shown

    @property
    def text(self) -> str:
        """`lines` as one text."""
        return "\n".join(self.lines)

    @property
    def cursor_hidden(self) -> bool:
        return self._pyte.cursor.hidden

    @property
    def colored(self) -> bool:
        """Whether any style was ever asked for."""
        return re.search(rb"\x1b\[[0-9;]*m", self.raw) is not None

    def until(self, seen: Callable[[Terminal], object] | str) -> Terminal:
        """Reads on until the screen shows the text, or `seen` holds."""
        holds = (lambda: seen in self.text) if isinstance(seen, str) else lambda: seen(self)
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert not self._ended, f"ended before that was seen:\n{self.text}"
            assert time.monotonic() < deadline, f"never seen:\n{self.text}"
            self._read(1.0)
        return self

    def type(self, keys: bytes) -> None:
        """Somebody presses keys; ``\\x03`` is ^C."""
        os.write(self.master, keys)

    def resize(self, columns: int, rows: int | None = None) -> None:
        """The window gets another size; the kernel tells the process."""
        self.columns, self.rows = columns, rows or self.rows
        _set_size(self.master, self.columns, self.rows)
        self._pyte.resize(self.rows, self.columns)

    def end(self) -> int:
        """Reads to the end; the exit code.

        The terminal has to be as it was, with a visible cursor where a line begins.
        """
        deadline = time.monotonic() + PATIENCE
        while not self._ended:
            assert time.monotonic() < deadline, f"does not end:\n{self.text}"
            self._read(1.0)
        code = self.process.wait(PATIENCE)
        assert termios.tcgetattr(self.master) == self.before, "the terminal's modes are not what they were"
        assert not self.cursor_hidden, "the cursor is still hidden"
        assert self._pyte.cursor.x == 0, f"the shell's prompt would stand behind {self.lines[-1]!r}"
        return code

    def _read(self, seconds: float) -> None:
        if not select.select([self.master], [], [], seconds)[0]:
            return
        try:
            data = os.read(self.master, 65536)
        except OSError:  # EIO: nobody has the other side open any more
            data = b""
        self._ended = not data
        self.raw += data
        self._stream.feed(data)


@contextmanager
def terminal(
    words: Sequence[object],
    environment: dict[str, str],
    *,
    columns: int = 80,
    rows: int = 24,
    stdout: int | None = None,
) -> Generator[Terminal, None, None]:
    """Starts a command on a new terminal as its session's leader; `stdout` may go elsewhere."""
    master, slave = os.openpty()
    _set_size(slave, columns, rows)
    before = termios.tcgetattr(slave)
    process = subprocess.Popen(
        [str(word) for word in words],
        env={"TERM": "xterm-256color", **environment},
        stdin=slave,
        stdout=slave if stdout is None else stdout,
        stderr=slave,
        start_new_session=True,
        preexec_fn=_own_terminal,
    )
    os.close(slave)
    shown = Terminal(process, master, columns, rows, before)
    try:
        yield shown
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        os.close(master)


@contextmanager
def lading_at(
    lading: Lading, *words: object, columns: int = 80, rows: int = 24, stdout: int | None = None, **variables: str
) -> Generator[Terminal, None, None]:
    """`lading WORDS` at a terminal."""
    environment = lading.variables(**variables)
    with terminal([LADING, *words], environment, columns=columns, rows=rows, stdout=stdout) as shown:
        yield shown


def _own_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _set_size(terminal: int, columns: int, rows: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
