"""The forms of rpm's database: SQLite, its own ``ndb``, and Berkeley DB's hash, each to the headers that it holds."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from lading.store.errors import DocumentError
from lading.store.system.sqlite import read_bytes

_STEPS: Final = 1 << 16
"""Thousands of steps that a database may take to be read."""
_SHORT: Final = "a database of rpm that ends too soon"


def headers_in(data: bytes) -> Iterator[bytes]:
    """Every header, whatever the form. Raises `DocumentError` where the form is unknown or damaged.

    Each lies in the database once, so that all together are no larger than it.
    """
    left = len(data)
    for header in _headers(data):
        left -= len(header)
        if left < 0:
            raise DocumentError("a database of rpm that is smaller than what it holds")
        yield header


def _headers(data: bytes) -> Iterator[bytes]:
    try:
        if data.startswith(b"SQLite format 3\0"):
            yield from (_blob(row[0]) for row in read_bytes(data, "SELECT blob FROM Packages", _STEPS))
        elif data.startswith(b"RpmP"):
            yield from _in_slots(data)
        elif data[12:16] in (b"\x61\x15\x06\0", b"\0\x06\x15\x61"):
            yield from _in_hash(data, "<" if data[12] else ">")
        elif data:
            raise DocumentError("a database of rpm in a form that is not known")
    except (struct.error, IndexError):
        raise DocumentError(_SHORT) from None


def _blob(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise DocumentError("a database of rpm with a header that is no blob")
    return value


def _in_slots(data: bytes) -> Iterator[bytes]:
    """``ndb``: pages of slots, each with the number and the place of a package (rpm, ``lib/backend/ndb/rpmpkg.c``)."""
    pages = struct.unpack_from("<4sIII", data)[3]
    for at in range(32, min(pages * 4096, len(data)), 16):
        mark, number, block, _ = struct.unpack_from("<4sIII", data, at)
        if mark != b"Slot" or not number:
            continue
        mark, same, _, length = struct.unpack_from("<4sIII", data, block * 16)
        header = data[block * 16 + 16 : block * 16 + 16 + length]
        if mark != b"BlbS" or same != number or len(header) != length:
            raise DocumentError(_SHORT)
        yield header


def _in_hash(data: bytes, order: str) -> Iterator[bytes]:
    """Berkeley DB: keys and values in turns on pages; a value that is large is a chain of pages (``db_page.h``)."""
    size = struct.unpack_from(f"{order}I", data, 20)[0]
    if size not in {512 << shift for shift in range(8)}:
        raise DocumentError("a database of rpm whose pages have no size")
    seen = set[int]()
    for at in range(size, len(data) - size + 1, size):
        page = data[at : at + size]
        if page[25] not in (2, 13):  # of a hash table
            continue
        count = struct.unpack_from(f"{order}H", page, 20)[0]
        places = struct.unpack_from(f"{order}{count}H", page, 26)
        for number in range(1, count, 2):
            yield from _value(data, page, places[number], places[number - 1], size, order, seen)


def _value(data: bytes, page: bytes, at: int, end: int, size: int, order: str, seen: set[int]) -> Iterator[bytes]:
    if page[at] == 1:  # on the page itself
        value = page[at + 1 : end]
    elif page[at] == 3:
        number, length = struct.unpack_from(f"{order}II", page, at + 4)
        value = b"".join(_chain(data, number, size, order, seen))[:length]
    else:
        return
    if len(value) > 16:  # the other value is the highest number of a package
        yield value


def _chain(data: bytes, number: int, size: int, order: str, seen: set[int]) -> Iterator[bytes]:
    """Every page belongs to one value: those in `seen` are taken."""
    while number:
        if number in seen:
            raise DocumentError("a database of rpm whose pages go round")
        seen.add(number)
        page = data[number * size : (number + 1) * size]
        number, used = struct.unpack_from(f"{order}I", page, 16)[0], struct.unpack_from(f"{order}H", page, 22)[0]
        yield page[26 : 26 + used]
