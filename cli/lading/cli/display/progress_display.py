"""How long work is shown: rows at a terminal, plain lines elsewhere, JSON for programs."""

from __future__ import annotations

import json
import sys
import threading
import time
from enum import StrEnum
from itertools import count
from typing import TYPE_CHECKING, Final

from lading.cli.display.output import Output, escape, size, stand

if TYPE_CHECKING:
    from rich.text import Text

    from lading.cli.display.screen import Screen
    from lading.store.errors import LadingError
    from lading.store.progress import Progress, Task


class ProgressKind(StrEnum):
    """The forms."""

    auto = "auto"
    tty = "tty"
    plain = "plain"
    json = "json"


_STEP: Final = 10.0
"""Seconds between two plain lines about one task."""

_SHORT: Final = 1.0
"""Seconds that are not worth a line, nor a time at its end."""

_BAR: Final = 40
_LABEL: Final = 20


class PlainProgress:
    """A line every ten seconds while a task lasts, and one when it ends with something to tell or took a second."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def task(self, label: str, total: int | None = None) -> Task:
        """A new task."""
        return _PlainTask(self._output, label, total)


class _Counted:
    """What every task knows."""

    def __init__(self, label: str, total: int | None) -> None:
        self.label = escape(label)
        self.total = total
        self.count = 0
        self.begun = self.said = time.monotonic()
        self.lock = threading.Lock()

    def add(self, amount: int, pause: float) -> bool:
        """Counts; whether it is time to say so, `pause` seconds after the last time."""
        with self.lock:
            self.count += amount
            now = time.monotonic()
            if now - self.said < pause:
                return False
            self.said = now
            return True

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self.begun


class _PlainTask(_Counted):
    def __init__(self, output: Output, label: str, total: int | None) -> None:
        super().__init__(label, total)
        self._output = output

    def advance(self, amount: int, /) -> None:
        if self.add(amount, _STEP):
            of = f" of {size(self.total)}" if self.total else ""
            self._output.note(f"{self.label}: {size(self.count)}{of}")

    def say(self, note: str, /) -> None:
        self._output.note(f"{self.label}: {escape(note)}")

    def done(self, note: str = "", /) -> None:
        if note or self.seconds >= _SHORT:
            self._output.note(f"{self.label}: {escape(note) or f'done in {self.seconds:.1f}s'}")


class TerminalProgress:
    """A row a task with a bar, and a line that stays when it ends."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def task(self, label: str, total: int | None = None) -> Task:
        """A new task."""
        screen = self._output.screen
        bar = _Bar(screen, label, total)
        screen.add(bar)
        return bar


class _Bar(_Counted):
    def __init__(self, screen: Screen, label: str, total: int | None) -> None:
        super().__init__(label, total)
        self._screen = screen
        self._waits_for = ""

    def advance(self, amount: int, /) -> None:
        self.add(amount, _STEP)

    def say(self, note: str, /) -> None:
        self._waits_for = escape(note)

    def done(self, note: str = "", /) -> None:
        from lading.cli.display.screen import fit  # noqa: PLC0415

        amount = size(self.total or self.count) if self.total or self.count else ""
        words = "  ".join(filter(None, (self.label.ljust(_LABEL), amount, escape(note))))
        took = f"{self.seconds:.1f}s" if self.seconds >= _SHORT else ""
        self._screen.remove(self, fit(_text(words), took, self._screen.width))

    def draw(self, width: int) -> list[Text]:
        """Label, bar, and figures at the right: what is here of how much, and how fast it comes."""
        from lading.cli.display.screen import fit  # noqa: PLC0415

        seconds = self.seconds
        speed = f"  {size(int(self.count / seconds))}/s" if seconds >= _SHORT and self.count else ""
        of = f" / {size(self.total)}" if self.total else ""
        speed = f"  {self._waits_for}" if self._waits_for else speed
        right = f"{size(self.count)}{of}{speed}" if self.count or self.total else ""
        label = self.label.ljust(_LABEL)
        room = min(_BAR, width - len(label) - len(right) - 4)
        left = _text(label)
        if self.total and room > 5:
            full = room * min(self.count, self.total) // self.total
            left.append("  ").append("━" * full, "green").append("━" * (room - full), "dim")
        return [fit(left, right, width)]


def _text(words: str) -> Text:
    from rich.text import Text  # noqa: PLC0415

    return Text(words)


class JsonLines:
    """Everything on standard error as JSON, an object a line with the member ``event``."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def task(self, label: str, total: int | None = None) -> Task:
        """A new task."""
        return _JsonTask(next(self._numbers), label, total)

    def say(self, line: str) -> None:
        """A line for people."""
        emit("note", text=line)

    def failed(self, error: LadingError) -> bool:
        """The error that ends the call."""
        from lading.cli.display.remedies import hint_of, message_of  # noqa: PLC0415 - only where something failed

        emit("error", text=message_of(error), hint=hint_of(error))
        return True

    def end(self) -> None:
        """Nothing moves."""


class _JsonTask(_Counted):
    def __init__(self, number: int, label: str, total: int | None) -> None:
        super().__init__(label, total)
        self._number = number
        emit("task", task=number, label=label, total=total)

    def advance(self, amount: int, /) -> None:
        if self.add(amount, _SHORT):
            emit("advanced", task=self._number, count=self.count)

    def say(self, note: str, /) -> None:
        emit("waiting", task=self._number, note=note)

    def done(self, note: str = "", /) -> None:
        emit("done", task=self._number, count=self.count, note=note, seconds=round(self.seconds, 3))


def emit(event: str, **members: object) -> None:
    """One JSON object on standard error."""
    sys.stderr.write(f"{json.dumps({'event': event, **members})}\n")
    sys.stderr.flush()


def chosen(form: str, output: Output) -> str:
    """`form`, with what suits standard error for auto."""
    if form == ProgressKind.auto:
        return ProgressKind.tty if output.moves else ProgressKind.plain
    return form


def progress_for(form: str, output: Output) -> Progress:
    """Where long work is announced."""
    match chosen(form, output):
        case ProgressKind.tty:
            return TerminalProgress(output)
        case ProgressKind.json:
            lines = JsonLines()
            stand(lines)
            return lines
        case _:
            return PlainProgress(output)
