"""How a program sees long work go on, and how it ends it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Literal

from lading.store.errors import LadingError
from lading.store.fastclass import dataclass

if TYPE_CHECKING:
    from lading.build.graph.request import StepReport
    from lading.build.graph.steps.step import Step


@dataclass(frozen=True, slots=True)
class Event:
    """Where one piece of work stands: `done` of `total` (bytes or pieces, None where that is not known beforehand)."""

    label: str
    done: int = 0
    total: int | None = None
    note: str = ""
    ended: bool = False


Watcher = Callable[[Event], object]
"""Called from the threads that do the work, by one at a time. What it raises ends the work, and the caller gets it."""


class CancelledError(LadingError):
    """For a `Watcher` to raise where somebody wants the work to end."""


class Watch:
    """One call's `Progress` and `Listener`, told to a watcher; after it raised, every thread of the work ends."""

    def __init__(self, watcher: Watcher | None) -> None:
        self._watcher = watcher
        self._lock = RLock()
        self._raised: BaseException | None = None

    def tell(self, event: Event) -> None:
        """Raises what the watcher raises, and that again whenever the work goes on."""
        if self._watcher is None:
            return
        with self._lock:
            if self._raised is not None:
                raise self._raised
            try:
                self._watcher(event)
            except BaseException as error:
                self._raised = error
                raise

    @contextmanager
    def watching(self) -> Generator[None, None, None]:
        """What the watcher raised leaves this block as it was raised, whatever the work made of it."""
        try:
            yield
        except BaseException as error:
            if self._raised is not None and error is not self._raised:
                raise self._raised from None
            raise

    def task(self, label: str, total: int | None = None) -> WatchedTask:
        """A new piece of work."""
        self.tell(Event(label, 0, total))
        return WatchedTask(self, label, total)

    # A build's steps

    def planned(self, steps: tuple[Step, ...]) -> None:
        """These steps will be solved."""
        self.tell(Event("steps", 0, len(steps)))

    def started(self, step: Step) -> None:
        """A step is executed."""
        self.tell(Event(step.written))

    def wrote(self, step: Step, data: bytes, stream: Literal["stdout", "stderr"]) -> None:
        """A step wrote something."""
        del stream
        self.tell(Event(step.written, note=data.decode(errors="replace")))

    def finished(self, report: StepReport) -> None:
        """A step is solved."""
        self.tell(Event(report.step.written, note="cached" if report.cached else "", ended=True))

    def missed(self, step: Step, why: tuple[str, ...]) -> None:
        """Why a step is executed."""
        self.tell(Event(step.written, note="; ".join(why)))

    def halted(self, step: Step) -> None:
        """A step is ended with the build."""
        self.tell(Event(step.written, note="ended", ended=True))

    def warned(self, text: str) -> None:
        """Something that should be known; it is among the warnings of the result."""
        self.tell(Event("warning", note=text, ended=True))


class WatchedTask:
    """One piece of work of a `Watch`."""

    def __init__(self, watch: Watch, label: str, total: int | None) -> None:
        self._watch = watch
        self._label = label
        self._total = total
        self._done = 0
        self._lock = RLock()

    def advance(self, amount: int, /) -> None:
        """`amount` more is done."""
        with self._lock:
            self._done += amount
            done = self._done
        self._watch.tell(Event(self._label, done, self._total))

    def say(self, note: str, /) -> None:
        """What it waits for."""
        self._watch.tell(Event(self._label, self._done, self._total, note))

    def done(self, note: str = "", /) -> None:
        """It ended."""
        self._watch.tell(Event(self._label, self._done, self._total, note, ended=True))
