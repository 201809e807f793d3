"""Words for the user: results on standard output, everything else on standard error, all of it escaped.

One thing at a time has the terminal: what moves there is ended, or lets a line pass, before anything else is written.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol, TextIO

from lading.store.errors import LadingError
from lading.store.system.patterns import pattern

if TYPE_CHECKING:
    from lading.cli.display.screen import Screen

# Control characters, and the marks that reorder or hide text, would let an outside string draw on the terminal.
_UNSAFE: Final = pattern("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_STYLES: Final = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "dim": "2"}


DUMB: Final = frozenset({"", "dumb", "unknown"})
"""Values of TERM for terminals that can neither move a cursor nor show colours."""


_GAP: Final = 3
"""Spaces between two columns of a table."""

_LEAST: Final = 16
"""How narrow a column becomes where it is cut."""


class Drawing(Protocol):
    """What moves at the terminal, or takes its place: other words pass through it while it stands."""

    def say(self, line: str) -> None:
        """A line that stays, above what moves."""
        ...

    def failed(self, error: LadingError) -> bool:
        """The last that is to be said; whether it has been."""
        ...

    def end(self) -> None:
        """Gives the terminal back; nothing moves until the next work begins."""
        ...


_standing: list[Drawing] = []
"""At most one: there is one terminal."""


def stand(drawing: Drawing) -> None:
    """From now on, every line on standard error goes through `drawing`."""
    _standing[:] = [drawing]


def end_drawing() -> None:
    """To be called before the terminal is written to, or lent, by other means."""
    for drawing in _standing:
        drawing.end()


def escape(text: str) -> str:
    """`text` made safe for a terminal: what could move the cursor, colour, hide or reorder is shown as an escape."""
    return _UNSAFE.sub(lambda match: ascii(match.group())[1:-1], text)


def log_line(text: str) -> str:
    """A line that a program wrote, safe to show: colours and what it wrote over itself are left out."""
    return escape(re.sub(r"\x1b\[[0-9;:]*m", "", text.rstrip("\r").rpartition("\r")[2]).expandtabs())


class Output:
    """Standard output for results and standard error for the rest; `color` is always, never or auto."""

    def __init__(self, color: str, environment: Mapping[str, str]) -> None:
        self._color = color
        self._environment = environment
        self._screen: Screen | None = None
        self._making = threading.Lock()

    @property
    def screen(self) -> Screen:
        """What moves at the terminal: one, whichever of several threads asks first."""
        with self._making:
            if self._screen is None:
                from lading.cli.display.screen import Screen  # noqa: PLC0415 - brings rich

                self._screen = Screen(self.colored(sys.stderr))
                stand(self._screen)
            return self._screen

    @property
    def moves(self) -> bool:
        """Whether standard error is a terminal on which something can be drawn."""
        return sys.stderr.isatty() and self._environment.get("TERM", "") not in DUMB

    def colored(self, stream: TextIO) -> bool:
        """Whether `stream` is one to colour: https://no-color.org, unless the call itself says what it wants."""
        if self._color != "auto":
            return self._color == "always"
        dull = self._environment.get("NO_COLOR") or self._environment.get("TERM", "") in DUMB
        return not dull and stream.isatty()

    def style(self, text: str, style: str, stream: TextIO | None = None) -> str:
        """`text` in bold, red, green, yellow or dim, where `stream` (else standard error) is coloured."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.colored(stream or sys.stderr) else text

    def result(self, line: str) -> None:
        """One line of what was asked for."""
        end_drawing()
        sys.stdout.write(f"{line}\n")

    def told(self, line: str, indent: int = 4) -> None:
        """As `result`, for people: at a terminal broken between words, and set in by `indent` where it goes on."""
        self.result("\n".join(folded(line, indent, sys.stdout)))

    def bytes(self, data: bytes) -> None:
        """What was asked for, byte for byte."""
        end_drawing()
        sys.stdout.flush()
        sys.stdout.buffer.write(data)

    def note(self, line: str) -> None:
        """One line beside it."""
        if _standing:
            _standing[0].say(line)
        else:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    def error(self, error: LadingError, lines: Iterable[str] = ()) -> None:
        """The one line of an error, what belongs to it, and its hint, on standard error."""
        if any(drawing.failed(error) for drawing in _standing):
            return
        from lading.cli.display.remedies import hint_of, message_of  # noqa: PLC0415 - only where something failed

        end_drawing()
        first, *more = column(escape(message_of(error)), len("lading: "), sys.stderr)
        self.note("\n".join([f"{self.style('lading:', 'red')} {first}", *more]))
        for line in lines:
            self.note(line)
        if hint := hint_of(error):
            self.note("  hint: " + "\n".join(column(escape(hint), len("  hint: "), sys.stderr)))

    def warn(self, line: str) -> None:
        """One line that should be read; words from outside may be in it, so it is escaped here."""
        from lading.cli.display.remedies import notice_of  # noqa: PLC0415 - only where something is to be said

        said = "\n".join(column(escape(notice_of(line)), len("warning: "), sys.stderr))
        self.note(f"{self.style('warning:', 'yellow')} {said}")

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[str]], cut: Sequence[str] = ()) -> None:
        """Columns as wide as their widest cell, three spaces apart, as docker shows them.

        At a terminal that is too narrow they stand closer, and the cells below the heads in `cut` are cut.
        """
        cells = [list(heads), *([escape(cell) for cell in row] for row in rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
        gap, more = " " * _GAP, sum(widths) + _GAP * (len(heads) - 1) - _room(sys.stdout)
        if more > 0:
            gap, more = "  ", more - len(heads) + 1
        for at in (heads.index(head) for head in cut):
            widths[at] = max(widths[at] - max(more, 0), min(widths[at], _LEAST))
        for row in cells:
            line = gap.join(_cut(cell, width).ljust(width) for cell, width in zip(row, widths, strict=True))
            self.result(line.rstrip())


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else f"{cell[: width - 1].removesuffix('…')}…"


def _room(stream: TextIO) -> int:
    """Columns of a line at a terminal; elsewhere there is no end."""
    if not stream.isatty():
        return sys.maxsize
    import shutil  # noqa: PLC0415

    return shutil.get_terminal_size().columns


def column(text: str, indent: int, stream: TextIO) -> list[str]:
    """`text` as one line, at a terminal as several: between words, all but the first under its beginning."""
    first, *more = folded(" " * indent + text, indent, stream)
    return [first[indent:], *more]


def folded(line: str, indent: int, stream: TextIO) -> list[str]:
    """`line`, at a terminal that it does not fit broken between words, all but the first set in by `indent`."""
    if not stream.isatty():
        return [line]
    import textwrap  # noqa: PLC0415

    room = max(_room(stream) - 1, 20 + indent)
    within = textwrap.TextWrapper(
        room, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    ).wrap(line)
    return within or [line]


def size(count: int) -> str:
    """A number of bytes as docker shows it: powers of a thousand, three significant digits."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g}{unit}"
        value /= 1000
    return f"{value:.3g}TB"


_AGES: Final = (
    (1, 1, "Less than a second", ""),
    (60, 1, "1 second", "seconds"),
    (3600, 60, "About a minute", "minutes"),
    (48 * 3600, 3600, "About an hour", "hours"),
    (14 * 86400, 86400, "", "days"),
    (60 * 86400, 7 * 86400, "", "weeks"),
    (730 * 86400, 30 * 86400, "", "months"),
)
"""Until how many seconds so many seconds are a unit, and what one and several of it are called, as docker does."""


def age(seconds: float) -> str:
    """How long ago, as docker shows it."""
    whole = int(max(seconds, 0))
    if whole >= 3600:
        whole = (whole + 1800) // 3600 * 3600  # docker rounds hours, and cuts everything else
    for end, unit, one, several in _AGES:
        if whole < end:
            count = whole // unit
            return one if count <= 1 else f"{count} {several}"
    return f"{int(seconds) // 86400 // 365} years"


def unix_time(moment: str | None) -> float | None:
    """Of an RFC 3339 time; None for what is none."""
    from datetime import datetime  # noqa: PLC0415

    try:
        return datetime.fromisoformat(moment or "").timestamp()
    except ValueError:
        return None


def since(moment: str | None) -> str:
    """How long ago an RFC 3339 time is, ``N/A`` for what is none."""
    then = unix_time(moment)
    return "N/A" if then is None else f"{age(time.time() - then)} ago"


def version_line() -> str:
    """What `lading --version` prints."""
    from importlib.metadata import version  # noqa: PLC0415

    return f"lading {version('lading')}"
