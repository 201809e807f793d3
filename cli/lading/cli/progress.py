"""How long work is shown: bars at a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from lading.cli.output import before_writing, escape, size

if TYPE_CHECKING:
    from lading.store.progress import Progress, Task

_STEP = 10.0
"""Seconds between two plain lines about one task."""


_SHORT = 1.0
"""Seconds that are not worth a line."""


class PlainProgress:
    """A line every ten seconds while a task lasts, and one when a task ends that took a second or more."""

    def task(self, label: str, total: int | None = None) -> Task:
        """A new task."""
        return _PlainTask(label, total)


class _PlainTask:
    def __init__(self, label: str, total: int | None) -> None:
        self._label = escape(label)
        self._total = total
        self._count = 0
        self._lock = threading.Lock()
        self._begun = self._said = time.monotonic()

    def advance(self, amount: int, /) -> None:
        with self._lock:
            self._count += amount
            now = time.monotonic()
            if now - self._said < _STEP:
                return
            self._said = now
        of = f" of {size(self._total)}" if self._total else ""
        sys.stderr.write(f"{self._label}: {size(self._count)}{of}\n")

    def done(self, note: str = "", /) -> None:
        if time.monotonic() - self._begun >= _SHORT:
            sys.stderr.write(f"{self._label}: {escape(note) or 'done'}\n")


class TerminalProgress:
    """Bars, drawn by rich; it is imported when the first task begins."""

    def __init__(self, color: bool) -> None:
        self._color = color
        self._bars: Any = None
        self._lock = threading.Lock()

    def task(self, label: str, total: int | None = None) -> Task:
        """A new task."""
        with self._lock:
            if self._bars is None:
                self._bars = self._start()
        return _Bar(self._bars, self._bars.add_task(escape(label), total=total, note=""), total)

    def _start(self) -> Any:
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn  # noqa: PLC0415

        bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=Console(stderr=True, no_color=not self._color),
            redirect_stdout=False,
            redirect_stderr=False,
        )
        before_writing(self.close)
        bars.start()
        return bars

    def close(self) -> None:
        """Leaves the bars as they are and gives the terminal back."""
        with self._lock:
            bars, self._bars = self._bars, None
        if bars is not None:
            bars.stop()


class _Bar:
    def __init__(self, bars: Any, number: Any, total: int | None) -> None:
        self._bars = bars
        self._number = number
        self._total = total

    def advance(self, amount: int, /) -> None:
        self._bars.advance(self._number, amount)

    def done(self, note: str = "", /) -> None:
        total = self._total if self._total is not None else 1
        self._bars.update(self._number, total=total, completed=total, note=escape(note))


def progress_for(color: bool) -> Progress:
    """What suits standard error."""
    return TerminalProgress(color) if sys.stderr.isatty() else PlainProgress()
