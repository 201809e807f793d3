"""A container's log: conmon writes Kubernetes' CRI format, ``TIME STREAM F|P TEXT``, where P is a line cut short."""

from __future__ import annotations

import calendar
import os
import re
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, NamedTuple

from lading.store.errors import UsageError
from lading.store.system.patterns import pattern

_POLL: Final = 0.1
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = pattern(r"(\d+(?:\.\d+)?)([smhd])")
_TIME: Final = pattern(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d)?)(\.\d+)?)?(Z|[+-]\d\d:\d\d)?")
_BLOCK: Final = 1 << 16


class LogLine(NamedTuple):
    """A piece of output: at most one line, its newline included where it has one."""

    time: str
    stream: Literal["stdout", "stderr"]
    text: bytes


def parse(raw: bytes) -> LogLine | None:
    """One line of the file, None where it is not whole or not of this form."""
    parts = raw.removesuffix(b"\n").split(b" ", 3)
    if len(parts) != 4 or parts[1] not in (b"stdout", b"stderr"):
        return None
    text = parts[3] + (b"\n" if parts[2] == b"F" else b"")
    return LogLine(parts[0].decode("ascii", "replace"), "stdout" if parts[1] == b"stdout" else "stderr", text)


class Span(NamedTuple):
    """The Unix times between which lines are wanted."""

    since: float | None = None
    until: float | None = None

    def has(self, line: LogLine) -> bool:
        """Whether a line is of that time."""
        if self.since is None and self.until is None:
            return True
        moment = seconds(line.time)
        return (self.since is None or moment >= self.since) and (self.until is None or moment <= self.until)

    @property
    def over(self) -> bool:
        """Whether nothing that is still to come can be of that time."""
        return self.until is not None and time.time() > self.until


def read(
    file: Path, *, tail: int | None = None, span: Span | None = None, follow: Callable[[], bool] | None = None
) -> Iterator[LogLine]:
    """The pieces of a log, from the last `tail` lines on and within `span`.

    With `follow` it goes on for as long as that says True, also when the file was begun anew, and then to its end.
    """
    span = span or Span()
    try:
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if tail is not None:
            yield from (line for row in _tail(fd, tail) if (line := parse(row)) and span.has(line))
        rest, going_on = b"", True
        while going_on:
            going_on = follow is not None and follow() and not span.over
            newer = _newer(fd, file)
            while block := os.read(fd, _BLOCK):
                *rows, rest = (rest + block).split(b"\n")
                yield from (line for row in rows if (line := parse(row)) and span.has(line))
            if newer is not None:
                os.close(fd)
                fd, rest, going_on = newer, b"", True
            elif going_on:
                time.sleep(_POLL)
    finally:
        os.close(fd)


def _newer(fd: int, file: Path) -> int | None:
    """The file that now has the name, where it is not the one that is open: the log was full, and begun anew."""
    try:
        newer = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if os.path.sameopenfile(fd, newer):
        os.close(newer)
        return None
    return newer


def _tail(fd: int, lines: int) -> Iterator[bytes]:
    """The rows of the last `lines` lines of output; what follows them is read next."""
    end, starts = _ends_of_tail(fd, lines)
    position, rest = min(starts.values(), default=end), b""
    os.lseek(fd, position, os.SEEK_SET)
    while position < end:
        *rows, rest = (rest + os.read(fd, min(_BLOCK, end - position - len(rest)))).split(b"\n")
        for row in rows:
            if position >= starts.get(_stream(row), end):
                yield row
            position += len(row) + 1


def _ends_of_tail(fd: int, lines: int) -> tuple[int, dict[bytes, int]]:
    """Where the last whole row ends, and where each stream's part of the last `lines` lines begins.

    A piece marked P belongs to the next one of its stream, whatever the other stream wrote between them.
    """
    end, kept, starts, over = None, 0, dict[bytes, int](), set[bytes]()
    for start, row in _backwards(fd):
        end = start if end is None else end
        stream = _stream(row)
        if not stream:
            continue
        if row.split(b" ", 3)[2] == b"F" or stream not in starts:
            over |= {stream} if kept == lines else set()
            kept += kept < lines
        if stream not in over:
            starts[stream] = start
        if kept == lines and over.issuperset(starts):
            break
    return end or 0, starts


def _stream(row: bytes) -> bytes:
    """Which stream a row is of; nothing where it is none."""
    parts = row.split(b" ", 3)
    return parts[1] if len(parts) == 4 else b""


def _backwards(fd: int) -> Iterator[tuple[int, bytes]]:
    """The rows of a file and where they begin, the last first; what follows the last newline is one too."""
    position, rest = os.fstat(fd).st_size, b""
    while position > 0:
        size = min(_BLOCK, position)
        position -= size
        rest, *rows = (os.pread(fd, size, position) + rest).split(b"\n")
        start = position + len(rest) + sum(len(row) + 1 for row in rows)
        for row in reversed(rows):
            start -= len(row)
            yield start, row
            start -= 1
    yield 0, rest


def moment(text: str, now: float, option: str) -> float:
    """A Unix time from a time (RFC 3339, or seconds) or from how long ago (``1h30m``). Raises `UsageError`."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if _DURATION.sub("", text) == "" and text:
        return now - sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))
    try:
        return seconds(text)
    except ValueError:
        raise UsageError(
            f"{option} {text}: neither a time (2026-01-31T12:00:00Z) nor how long ago (1h30m)", option=option
        ) from None


def seconds(text: str) -> float:
    """RFC 3339, down to a mere date, as a Unix time. Raises `ValueError`."""
    found = _TIME.fullmatch(text)
    if not found:
        raise ValueError(text)
    day, clock, fraction, zone = found.groups()
    clock = clock or "00:00:00"
    moment = _second(f"{day} {clock}")
    offset = 0
    if zone and zone != "Z":
        offset = (int(zone[1:3]) * 3600 + int(zone[4:]) * 60) * (-1 if zone[0] == "-" else 1)
    return moment + float(fraction or 0) - offset


@lru_cache(maxsize=8)
def _second(text: str) -> int:
    """Lines come by the thousand in one second."""
    return calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S" if text.count(":") == 2 else "%Y-%m-%d %H:%M"))
