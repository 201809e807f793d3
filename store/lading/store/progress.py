"""How long work says where it stands: told to a `Progress`, which the command line draws and the library never does."""

from __future__ import annotations

from typing import Final, Protocol


class Task(Protocol):
    """One piece of work under way. Its methods may be called from any thread."""

    def advance(self, amount: int, /) -> None:
        """`amount` more of the total is done: bytes, or pieces where the label says so."""
        ...

    def say(self, note: str, /) -> None:
        """What it waits for, in a few words; asked again every ten seconds or so while it waits."""
        ...

    def done(self, note: str = "", /) -> None:
        """It ended; `note` says how in a word or two ("exists", "cached")."""
        ...


class Progress(Protocol):
    """Where work is announced."""

    def task(self, label: str, total: int | None = None) -> Task:
        """A new piece of work of `total` (bytes or pieces), None where that is not known beforehand."""
        ...


class _Quiet:
    """Nobody looks."""

    __slots__ = ()

    def task(self, label: str, total: int | None = None) -> Task:
        del label, total
        return self

    def advance(self, amount: int, /) -> None:
        del amount

    def say(self, note: str, /) -> None:
        del note

    def done(self, note: str = "", /) -> None:
        del note


QUIET: Final[Progress] = _Quiet()
"""The progress of callers that do not show any."""


class Part:
    """A share in a task: it advances the whole, whose end is not its own."""

    __slots__ = ("_whole",)

    def __init__(self, whole: Task) -> None:
        self._whole = whole

    def advance(self, amount: int, /) -> None:
        """The whole advances."""
        self._whole.advance(amount)

    def say(self, note: str, /) -> None:
        """The whole waits."""
        self._whole.say(note)

    def done(self, note: str = "", /) -> None:
        """Says nothing."""
        del note
