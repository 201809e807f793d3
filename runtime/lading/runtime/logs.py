"""A container's log: conmon writes Kubernetes' CRI format, ``TIME STREAM F|P TEXT``, where P is a line cut short."""

from __future__ import annotations

import calendar
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from lading.store.errors import UsageError

_POLL: Final = 0.1
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d)?)(\.\d+)?)?(Z|[+-]\d\d:\d\d)?")
_BLOCK: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Line:
    """A piece of output: at most one line, its newline included where it has one."""

    time: str
    stream: Literal["stdout", "stderr"]
    text: bytes


def parse(raw: bytes) -> Line | None:
    """One line of the file, None where it is not whole or not of this form."""
    parts = raw.removesuffix(b"\n").split(b" ", 3)
    if len(parts) != 4 or parts[1] not in (b"stdout", b"stderr"):
        return None
    text = parts[3] + (b"\n" if parts[2] == b"F" else b"")
    return Line(parts[0].decode("ascii", "replace"), "stdout" if parts[1] == b"stdout" else "stderr", text)


def read(
    file: Path, *, tail: int | None = None, since: float | None = None, follow: Callable[[], bool] | None = None
) -> Iterator[Line]:
    """The pieces of a log, from the last `tail` lines and from the Unix time `since` on.

    With `follow` it goes on for as long as that says True, and then to the end of the file.
    """
    try:
        stream = open(file, "rb")  # noqa: SIM115 - closed below
    except FileNotFoundError:
        return
    with stream:
        if tail is not None:
            stream.seek(_start_of_tail(stream.fileno(), tail))
        rest = b""
        while True:
            going_on = follow is not None and follow()
            while block := stream.read(_BLOCK):
                *lines, rest = (rest + block).split(b"\n")
                for raw in lines:
                    line = parse(raw)
                    if line and (since is None or seconds(line.time) >= since):
                        yield line
            if not going_on:
                return
            time.sleep(_POLL)


def _start_of_tail(fd: int, lines: int) -> int:
    """Where the last `lines` whole lines of output begin; a piece marked P belongs to the next one of its stream."""
    end = os.fstat(fd).st_size
    data, start, found = b"", end, 0
    while start > 0:
        size = min(_BLOCK, start)
        start -= size
        data = os.pread(fd, size, start) + data
        found = sum(1 for line in data.split(b"\n") if _whole(line))
        if found > lines:
            break
    at, kept, streams = len(data), 0, set[bytes]()
    for row in reversed(data.removesuffix(b"\n").split(b"\n")):
        stream = row.split(b" ", 2)[1:2]
        kept += _whole(row) or not streams.issuperset(stream)
        streams.update(stream)
        if kept > lines:
            break
        at -= len(row) + 1
    return start + max(at, 0)


def _whole(row: bytes) -> bool:
    return row.split(b" ", 3)[2:3] == [b"F"]


def since(text: str, now: float) -> float:
    """A Unix time from a time (RFC 3339, or seconds) or from how long ago (``1h30m``). Raises `UsageError`."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if _DURATION.sub("", text) == "" and text:
        return now - sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))
    try:
        return seconds(text)
    except ValueError:
        raise UsageError(f"--since {text}: neither a time (2026-01-31T12:00:00Z) nor how long ago (1h30m)") from None


def seconds(text: str) -> float:
    """RFC 3339, down to a mere date, as a Unix time. Raises `ValueError`."""
    found = _TIME.fullmatch(text)
    if not found:
        raise ValueError(text)
    day, clock, fraction, zone = found.groups()
    clock = clock or "00:00:00"
    moment = calendar.timegm(
        time.strptime(f"{day} {clock}", "%Y-%m-%d %H:%M:%S" if clock.count(":") == 2 else "%Y-%m-%d %H:%M")
    )
    offset = 0
    if zone and zone != "Z":
        offset = (int(zone[1:3]) * 3600 + int(zone[4:]) * 60) * (-1 if zone[0] == "-" else 1)
    return moment + float(fraction or 0) - offset
