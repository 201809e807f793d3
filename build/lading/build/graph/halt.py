"""A word to all threads of a build that it is over, and what several builds of one call share."""

from __future__ import annotations

import os
import select
from collections.abc import Generator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import Final

from lading.store.errors import LadingError

_MILLISECONDS: Final = 1000


class HaltedError(LadingError):
    """A step was ended because of what happened elsewhere, which is what the user is told."""


class Halt:
    """Given once. `descriptor` can be polled: it becomes readable then."""

    __slots__ = ("descriptor",)

    def __init__(self) -> None:
        self.descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def __del__(self) -> None:
        os.close(self.descriptor)

    def give(self) -> None:
        """From now on everything ends."""
        os.eventfd_write(self.descriptor, 1)

    def given(self, seconds: float = 0) -> bool:
        """Whether it was given; waits for it as long."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        return bool(poll.poll(seconds * _MILLISECONDS))

    def check(self) -> None:
        """Raises `HaltedError` once it was given: to be called where long work can be left."""
        if self.given():
            raise HaltedError("ended with the build")


class Together:
    """What the builds of one call share: `jobs` steps at once, the keys of actions that were executed, one halt."""

    def __init__(self, jobs: int) -> None:
        self.halt = Halt()
        self._turns = BoundedSemaphore(jobs)
        self._lock = Lock()
        self._executed: set[str] = set()

    @contextmanager
    def turn(self) -> Generator[None, None, None]:
        """Waits until one may execute something. Raises `HaltedError` where the call ends meanwhile."""
        with self._turns:
            self.halt.check()
            yield

    def executed(self, key: str) -> bool:
        """Whether the action `key` was executed in this call."""
        with self._lock:
            return key in self._executed

    def note(self, key: str) -> None:
        """The action `key` is executed, and its result kept."""
        with self._lock:
            self._executed.add(key)
