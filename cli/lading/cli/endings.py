"""Signals that ask a command to end, taken as ^C is: everything that it started is taken down on the way out."""

from __future__ import annotations

import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Final


class EndedError(Exception):
    """The call is over, all is told, and this is its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def ended_by(number: int) -> BaseException:
    """What ends a call that a signal ends, with the exit code that shells show: of ^C, it is said as well."""
    return KeyboardInterrupt() if number == signal.SIGINT else EndedError(128 + number)


_ASKING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def keep_interrupts() -> None:
    """Lets an interrupt that comes while Python runs a callback of its own end the call after that, and silently.

    Python says of such an exception that it is ignored, prints it, and goes on as if nothing had come.
    """

    def again(lost: sys.UnraisableHookArgs) -> None:
        if lost.exc_type is not KeyboardInterrupt:
            sys.__unraisablehook__(lost)
            return
        import threading  # noqa: PLC0415

        threading.Thread(target=_interrupt_outside, args=(again.__code__,), daemon=True).start()

    sys.unraisablehook = again


def keep_children() -> None:
    """Has the kernel tell how a child ended, where the caller ignores SIGCHLD: for those it keeps nothing to tell."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _interrupt_outside(hook: CodeType) -> None:
    """Interrupts the main thread once it has left `hook`, in which an exception would be lost for good.

    One that meets another callback of Python's is told of again.
    """
    import ctypes  # noqa: PLC0415
    import threading  # noqa: PLC0415
    import time  # noqa: PLC0415
    from sys import _current_frames  # noqa: PLC0415  # pyright: ignore[reportPrivateUsage]

    main = threading.main_thread().ident or 0
    while any(frame.f_code is hook for frame in _frames(_current_frames().get(main))):
        time.sleep(0.001)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(main), ctypes.py_object(KeyboardInterrupt))


def _frames(frame: FrameType | None) -> Generator[FrameType, None, None]:
    while frame:
        yield frame
        frame = frame.f_back


@contextmanager
def ended_by_signals() -> Generator[None, None, None]:
    """The first signal ends what goes on in this block as ^C does; further ones do not disturb that.

    The exit code is what shells show of a process that the signal ended. What the caller ignores (``nohup``, a job in
    the background of a script) stays ignored.
    """
    came: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        came.append(number)
        for one in before:
            signal.signal(one, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {one: handler for one in _ASKING if (handler := signal.getsignal(one)) is not signal.SIG_IGN}
    for one in before:
        signal.signal(one, end)
    try:
        yield
    except BaseException as error:
        # Whatever the way out made of it: the terminal that was closed cannot be written to, for one.
        if came:
            raise ended_by(came[0]) from error
        raise
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
