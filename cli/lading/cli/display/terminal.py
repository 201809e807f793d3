"""The caller's terminal and signals, lent to a container while it runs in the foreground."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import sys
import termios
import tty as raw_mode
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

from lading.cli.display.output import Output, end_drawing
from lading.cli.endings import ended_by
from lading.runtime.options import Streams
from lading.store.errors import InputError, UsageError

# Not those that say that we failed, that a child ended, or that a job in the background wants the terminal.
_KEPT: Final = frozenset(
    {signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
    | {signal.SIGCHLD, signal.SIGPIPE, signal.SIGTTIN, signal.SIGTTOU}
)
_HARMLESS: Final = frozenset({signal.SIGWINCH, signal.SIGURG, signal.SIGCONT, signal.SIGTSTP})
"""What does not end a program that has no handler for it."""

BROKEN_PIPE: Final = 141
"""As shells show a program that SIGPIPE ended."""


class Foreground:
    """A command that lends its terminal and its signals; a context manager around the whole of it.

    A signal that asks it to end, before there is a container to pass it to, ends it at once with the exit code that
    shells show for that.
    """

    def __init__(self, output: Output, *, tty: bool = False, interactive: bool = False, proxy: bool = True) -> None:
        self.warn = output.warn
        self._raw = tty and interactive and os.isatty(0)
        self._terminal = next((fd for fd in (0, 1, 2) if os.isatty(fd)), None) if tty else None
        self._proxy = proxy
        self._before: dict[int, Any] = {}
        self._waiting: list[int] = []
        self._ended = 0
        self._receiver: Callable[[int], None] = self._end

    @property
    def streams(self) -> Streams:
        """What the runtime is handed."""
        return Streams(caller=self, size=None if self._terminal is None else self._size)

    def __enter__(self) -> Foreground:
        for number in signal.valid_signals() - _KEPT:
            # What nohup ignores stays so; a script ignores INT and QUIT for all that it starts in the background.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._came)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if self._ended:
            raise ended_by(self._ended) from error

    def hold(self) -> None:
        """Signals wait."""
        self._receiver = self._waiting.append

    def release(self) -> None:
        """Signals end the command again."""
        self._receiver = self._end
        for number in self._waiting:
            self._end(number)

    @contextmanager
    def lend(self, receiver: Callable[[int], None]) -> Generator[None, None, None]:
        """Raw mode, and signals for the receiver; what comes afterwards is too late."""
        end_drawing()
        sys.stdout.flush()
        sys.stderr.flush()
        saved = termios.tcgetattr(0) if self._raw else None
        try:
            if self._raw:
                raw_mode.setraw(0)
            self._receiver = receiver if self._proxy else self._only_size(receiver)
            for number in self._waiting:
                self._receiver(number)
            yield
        finally:
            self._receiver = _ignore
            if saved is not None:
                _restore(saved)

    def _came(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._receiver(number)

    def _end(self, number: int) -> None:
        if number in _HARMLESS:
            return
        self._receiver = _ignore
        self._ended = number
        raise KeyboardInterrupt

    def _only_size(self, receiver: Callable[[int], None]) -> Callable[[int], None]:
        return lambda number: receiver(number) if number == signal.SIGWINCH else self._end(number)

    def _size(self) -> tuple[int, int]:
        try:
            raw = fcntl.ioctl(self._terminal or 0, termios.TIOCGWINSZ, bytes(8))
        except OSError:
            return 0, 0
        rows, columns, _, _ = struct.unpack("HHHH", raw)
        return rows, columns


def keys(text: str) -> bytes:
    """The bytes of ``ctrl-p,ctrl-q``; none are in an empty text. Raises `UsageError`."""
    found = b""
    for word in text.split(",") if text else []:
        control, key = word.startswith("ctrl-"), word.removeprefix("ctrl-")
        if len(key) != 1 or not "\x20" < key < "\x7f" or (control and not "@" <= key.upper() <= "_"):
            raise UsageError(f"--detach-keys {text}: expected single keys and ctrl-a to ctrl-z, with commas between")
        found += bytes([ord(key.upper()) & 0x1F]) if control else key.encode()
    return found


@contextmanager
def as_exit(hint: str | None = None) -> Generator[None, None, None]:
    """What ends a container's session otherwise than by its command, with the exit codes of docker."""
    from lading.runtime.oci.oci_runtime import StartError  # noqa: PLC0415
    from lading.runtime.process.relay import LostError  # noqa: PLC0415

    try:
        yield
    except StartError as error:
        failure = InputError(error.message, hint=hint if error.code != 125 else None)
        failure.exit_code = error.code
        raise failure from None
    except LostError as error:
        if error.exit_code == BROKEN_PIPE and not error.hint:
            raise BrokenPipeError from None
        raise


def _restore(saved: list[Any]) -> None:
    """A terminal that was closed meanwhile has nothing to restore."""
    try:
        termios.tcsetattr(0, termios.TCSADRAIN, saved)
    except termios.error:
        return


def _ignore(number: int) -> None:
    del number
