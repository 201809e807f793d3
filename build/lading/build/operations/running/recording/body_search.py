"""Values looked for in a body while it comes: as it is, and as what it holds where that is compressed."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Final, Self

from lading.build.operations.running.recording.withheld_values import WithheldValue
from lading.store.archives.any_compression import unpacked
from lading.store.archives.compression import Source
from lading.store.errors import DocumentError, InputError

_PIECE: Final = 1 << 16
_DEPTH: Final = 2
"""How often what is compressed is unpacked: an archive, and the answer that it came in."""
_DAMAGED: Final = (DocumentError, EOFError, ValueError, OSError)
MOST_SEARCHED: Final = 1 << 34
"""Bytes of what a body holds."""


class BodySearch:
    """A context manager; what is fed is looked at in a thread of its own."""

    def __init__(self, wanted: Mapping[bytes, WithheldValue]) -> None:
        self._wanted = wanted
        self._found: dict[str, WithheldValue] = {}
        self._is_too_large = self._is_searched = False
        self._from: IO[bytes] | None = None
        self._into = -1
        if wanted:
            reading, self._into = os.pipe2(os.O_CLOEXEC)
            self._from = open(reading, "rb")  # noqa: SIM115 - the thread closes it
            self._thread = threading.Thread(target=self._look, args=(self._from,), daemon=True)
            self._thread.start()

    def feed(self, data: bytes) -> None:
        """The next piece of the body."""
        view = memoryview(data)
        while view and self._into >= 0:
            try:
                view = view[os.write(self._into, view) :]
            except BrokenPipeError:  # the search ended before the body did, which `found` says
                self._end()

    def found(self) -> tuple[WithheldValue, ...]:
        """Those that were in it, once all of it was fed. Raises `InputError` for what was not searched to its end."""
        self._end()
        if self._is_too_large:
            raise InputError(f"it unpacks to more than the {MOST_SEARCHED >> 30} GiB that are searched for secrets")
        if self._wanted and not self._is_searched:
            raise InputError("it could not be searched for secrets")
        return tuple(self._found.values())

    def _end(self) -> None:
        if self._into >= 0:
            os.close(self._into)
            self._into = -1
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _look(self, body: IO[bytes]) -> None:
        with body:
            outer = _Watched(body, self._wanted, self._found)
            held = [outer]
            with suppress(*_DAMAGED):
                while len(held) <= _DEPTH and (inner := unpacked(held[-1], "")):
                    held.append(_Watched(inner, self._wanted, self._found))
            for stream in reversed(held[1:]):
                with suppress(*_DAMAGED):  # what cannot be unpacked nobody reads
                    if not _drain(stream, MOST_SEARCHED):
                        self._is_too_large = True
                        break
            _drain(outer, None)
        self._is_searched = True


class _Watched:
    """A stream in which values are looked for, those over the border of two pieces as well."""

    def __init__(self, stream: Source, wanted: Mapping[bytes, WithheldValue], found: dict[str, WithheldValue]) -> None:
        self._stream = stream
        self._wanted = wanted
        self._found = found
        self._kept = max(map(len, wanted)) - 1
        self._last = b""

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(_PIECE if size < 0 else size)
        whole = self._last + data
        self._found.update((one.title, one) for form, one in self._wanted.items() if form in whole)
        self._last = whole[-self._kept :]
        return data


def _drain(stream: _Watched, most: int | None) -> bool:
    """Whether that were at most so many bytes."""
    left = most
    while piece := stream.read(_PIECE):
        if left is not None:
            left -= len(piece)
            if left < 0:
                return False
    return True
