"""The caller's terminal and signals, lent to a container while it runs in the foreground."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import sys
import termios
import tty as raw_mode
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from lading.cli.output import end_drawing
from lading.runtime.options import Streams

_PASSED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


@contextmanager
def streams(*, tty: bool, attached: bool) -> Generator[Streams, None, None]:
    """Standard input and output, raw where both sides are terminals, and the signals that are passed on."""
    end_drawing()
    sys.stdout.flush()
    sys.stderr.flush()
    raw = tty and attached and os.isatty(0)
    saved = termios.tcgetattr(0) if raw else None
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    handlers: dict[int, Any] = {}
    previous = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        for passed in (*_PASSED, *([signal.SIGWINCH] if raw else [])):
            handlers[passed] = signal.signal(passed, _noted)
        if raw:
            raw_mode.setraw(0)
        yield Streams(signals=reader, size=_size if raw else None)
    finally:
        if saved is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, saved)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(previous)
        os.close(reader)
        os.close(writer)


def _noted(number: int, frame: object) -> None:
    """The number has been written to the pipe already."""


def _size() -> tuple[int, int]:
    rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)))
    return rows, columns
