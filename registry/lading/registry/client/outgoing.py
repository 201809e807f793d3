"""A blob's bytes on their way out: from any position, verified to the end, shown once however often they are sent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Event
from types import TracebackType
from typing import Final, Self

from lading.registry.client.downloads import StoppedError
from lading.store.content.blobs import BlobReader, Source
from lading.store.errors import RegistryError
from lading.store.oci.descriptors import Descriptor
from lading.store.progress import Task

_PIECE: Final = 256 * 1024


class Outgoing:
    """One blob being sent; a context manager. What follows on what was read last is not read from the start again."""

    def __init__(self, blobs: Source, descriptor: Descriptor, task: Task, stop: Event) -> None:
        self.sent: float | None = None
        """When the last byte of the blob went out, unless something was sent after that."""
        self.is_lost = False
        """Whether the registry that the bytes come from failed, not the one that they go to."""
        self._blobs = blobs
        self._descriptor = descriptor
        self._task = task
        self._stop = stop
        self._reader: BlobReader | None = None
        self._at = 0
        self._shown = 0

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` to `end`; whoever reads to the blob's end reads verified bytes."""
        try:
            yield from self._read(start, end)
        except RegistryError:
            self.is_lost = True
            raise

    def _read(self, start: int, end: int) -> Iterator[bytes]:
        self.sent = None
        for piece in self._pieces(start, end):
            if self._stop.is_set():
                raise StoppedError
            yield piece
            if self._at > self._shown:
                self._task.advance(self._at - self._shown)
                self._shown = self._at
        if end == self._descriptor.size:
            self._open(end).read(1)  # the end is where the digest is checked
            self.sent = time.monotonic()

    def _pieces(self, start: int, end: int) -> Iterator[bytes]:
        reader = self._open(start)
        while self._at < start and (piece := reader.read(min(_PIECE, start - self._at))):
            self._at += len(piece)
        while self._at < end and (piece := reader.read(min(_PIECE, end - self._at))):
            self._at += len(piece)
            yield piece

    def _open(self, start: int) -> BlobReader:
        """A reader that stands at `start` or before it."""
        if self._reader is None or self._at > start:
            self._close()
            self._reader = self._blobs.open(self._descriptor.digest)
            self._at = 0
        return self._reader

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.__exit__(None, None, None)
            self._reader = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._close()
