"""A word to all threads of one build that it is over."""

from __future__ import annotations

import os
import select
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
