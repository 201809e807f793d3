"""Words for the user: results on standard output, everything else on standard error, all of it escaped."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from lading.store.errors import LadingError

# Control characters, and the marks that reorder or hide text, would let an outside string draw on the terminal.
_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_STYLES: Final = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "dim": "2"}


_before: list[Callable[[], None]] = []


def before_writing(end: Callable[[], None]) -> None:
    """`end` is called, once, before anything is written: it ends what is being drawn at the terminal."""
    _before.append(end)


def end_drawing() -> None:
    """Ends what is being drawn, if anything is: to be called before the terminal is written to by other means."""
    while _before:
        _before.pop()()


def escape(text: str) -> str:
    """`text` made safe for a terminal: what could move the cursor, colour, hide or reorder is shown as an escape."""
    return _UNSAFE.sub(lambda match: ascii(match.group())[1:-1], text)


class Output:
    """Standard output for results and standard error for the rest."""

    def __init__(self, color: bool) -> None:
        self._color = color

    def style(self, text: str, style: str) -> str:
        """`text` in bold, red, green, yellow or dim, where colours are on."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self._color else text

    def result(self, line: str) -> None:
        """One line of what was asked for."""
        end_drawing()
        sys.stdout.write(f"{line}\n")

    def bytes(self, data: bytes) -> None:
        """What was asked for, byte for byte."""
        end_drawing()
        sys.stdout.flush()
        sys.stdout.buffer.write(data)

    def note(self, line: str) -> None:
        """One line beside it."""
        end_drawing()
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def warn(self, line: str) -> None:
        """One line that should be read; words from outside may be in it, so it is escaped here."""
        self.note(f"{self.style('warning:', 'yellow')} {escape(line)}")

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Columns as wide as their widest cell, three spaces apart, as docker shows them."""
        cells = [list(heads), *([escape(cell) for cell in row] for row in rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
        for row in cells:
            line = "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.result(line.rstrip())


def complain(error: LadingError) -> None:
    """The one line of an error, and its hint, on standard error."""
    end_drawing()
    color = sys.stderr.isatty()
    label = "\x1b[31mlading:\x1b[0m" if color else "lading:"
    sys.stderr.write(f"{label} {escape(error.message)}\n")
    if error.hint:
        sys.stderr.write(f"  hint: {escape(error.hint)}\n")


def size(count: int) -> str:
    """A number of bytes as docker shows it: powers of a thousand, three significant digits."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g}{unit}"
        value /= 1000
    return f"{value:.3g}TB"


_AGES: Final = (
    (365 * 86400 * 2, 365 * 86400, "year"),
    (30 * 86400 * 2, 30 * 86400, "month"),
    (14 * 86400, 7 * 86400, "week"),
    (48 * 3600, 86400, "day"),
    (90 * 60, 3600, "hour"),
    (60, 60, "minute"),
    (0, 1, "second"),
)
"""From how many seconds on a unit of so many seconds is used, as docker does."""


def age(seconds: float) -> str:
    """How long ago, as docker shows it."""
    unit, name = next((unit, name) for start, unit, name in _AGES if max(seconds, 0) >= start)
    count = int(max(seconds, 0) // unit)
    return f"{count} {name}{'' if count == 1 else 's'}"
