"""What moves at a terminal: a few rows at its bottom, drawn by rich, under lines that stay.

A row is there while its work lasts; when it ends, one line of it stays. So nothing that moves is ever taller than
the work of one moment, and whatever ends the process leaves whole lines. The cursor is never hidden: there is
nothing to be put right after a kill.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Final, Protocol

from rich.cells import cell_len
from rich.console import Console, Group
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

from lading.store.errors import LadingError

_PAUSE: Final = 0.1
"""Seconds between two pictures."""


class ScreenRow(Protocol):
    """Something under way."""

    def draw(self, width: int) -> Sequence[Text]:
        """Its lines now, none wider than `width`; called from another thread than the work's."""
        ...


class _Console(Console):
    """With a cursor that stays."""

    def show_cursor(self, show: bool = True) -> bool:
        del show
        return False


class Screen:
    """The rows, and the lines above them. Its methods may be called from any thread."""

    def __init__(self, colored: bool) -> None:
        self._console = _Console(
            stderr=True,
            force_terminal=True,
            color_system="standard" if colored else None,
            no_color=False,
            highlight=False,
        )
        self._rows: list[ScreenRow] = []
        self._live: Live | None = None
        # Always taken before rich's own: so the pictures are drawn by a thread of ours, not by that of Live.
        self._lock = threading.RLock()
        self._width = 0
        self._drawn: list[int] = []

    def add(self, row: ScreenRow) -> None:
        """`row` is drawn from the next picture on."""
        with self._lock:
            self._rows.append(row)
            if self._live is None:
                self._begin()

    def _begin(self) -> None:
        self._drawn = []
        self._live = live = Live(
            console=self._console,
            get_renderable=self._picture,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        live.start()
        threading.Thread(target=self._draw, args=(live,), daemon=True).start()

    def _draw(self, live: Live) -> None:
        while True:
            time.sleep(_PAUSE)
            with self._lock:
                if self._live is not live:
                    return
                live.refresh()

    def remove(self, row: ScreenRow, *lines: Text) -> None:
        """`row` ended, and `lines` of it stay; nothing moves any more when it was the last."""
        with self._lock:
            if row in self._rows:
                self._rows.remove(row)
            if not self._rows:
                self.end()
            elif self._live is not None:
                self._live.refresh()
            self.keep(*lines)

    def keep(self, *lines: Text) -> None:
        """Lines that stay, above the rows."""
        with self._lock:
            if self._live is not None and self._console.width != self._width:
                self._live.refresh()
            for line in lines:
                self._console.print(line, soft_wrap=True)

    def say(self, line: str) -> None:
        """As `keep`, with the colours that are in `line`."""
        self.keep(Text.from_ansi(line))

    def failed(self, error: LadingError) -> bool:
        """Errors are said when nothing moves any more."""
        del error
        return False

    def end(self) -> None:
        """Gives the terminal back; rows whose work goes on are forgotten."""
        with self._lock:
            live, self._live = self._live, None
            self._rows.clear()
            if live is not None:
                live.stop()

    @property
    def width(self) -> int:
        """Of a line; the last column stays free, so that a terminal that wraps early does no harm."""
        return max(self._console.width - 1, 20)

    def _picture(self) -> Group:
        """All rows, as far as the screen is high, the newest last; below them the cursor's line, for what is typed."""
        with self._lock:
            self._rewind()
            lines = [line for row in self._rows for line in row.draw(self.width)]
            lines = lines[-max(self._console.height - 2, 1) :]
            self._drawn = [cell_len(line.plain) for line in lines]
            for line in lines:
                line.no_wrap, line.overflow = True, "crop"
            return Group(*lines, Text()) if lines else Group()

    def _rewind(self) -> None:
        """A window that became narrower has wrapped the lines of the last picture: goes up over what that added."""
        before, self._width = self._width, self._console.width
        if self._width < before:
            more = sum(max(length - 1, 0) // self._width for length in self._drawn)
            self._console.control(Control(*((ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)) * more))


def fit(left: Text, right: str, width: int, style: str = "dim") -> Text:
    """`left`, cut where it has to be, and `right` at the right edge."""
    room = max(width - (cell_len(right) + 2 if right else 0), 8)
    left.truncate(room, overflow="ellipsis", pad=bool(right))
    return left.append(f"  {right}", style) if right else left
