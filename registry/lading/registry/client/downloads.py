"""A blob from a registry into a blob store: hashed on the way, never longer than announced, resumed when cut off."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from threading import Event
from typing import Final

from lading.registry.auth.tokens import scope
from lading.registry.client.session import ApiRequest, Session
from lading.registry.client_config import ClientConfig, Timeouts
from lading.registry.errors import ProtocolError, StatusError, UnreachableError
from lading.registry.http.transport import HttpResponse
from lading.registry.reference import Reference
from lading.store.content.blobs import Blobs
from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor
from lading.store.progress import Task
from lading.store.system.patterns import pattern

_RANGE: Final = pattern(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)")


class StoppedError(Exception):
    """Somebody else's failure ended this transfer."""


@dataclass(frozen=True, slots=True)
class Download:
    """One blob to fetch."""

    session: Session
    config: ClientConfig
    repository: Reference
    descriptor: Descriptor
    task: Task
    stop: Event

    @property
    def where(self) -> str:
        """For errors."""
        return f"{self.repository.repository_name}: blob {self.descriptor.digest}"

    def into(self, blobs: Blobs) -> None:
        """Raises a `RegistryError`; nothing of the blob is kept then."""
        with blobs.writer(self.descriptor.digest.algorithm) as writer:
            for piece in self.pieces():
                writer.write(piece)
                self.task.advance(len(piece))
            try:
                writer.commit(self.descriptor.digest)
            except DocumentError as error:
                raise ProtocolError(f"{self.where}: the registry sent other bytes: {error.message}") from None

    def pieces(self) -> Generator[memoryview, None, None]:
        """The bytes in order, not verified: asks again for the rest, as long as each attempt brings something."""
        have = idle = 0
        while True:
            before = have
            try:
                for piece in self._attempt(have):
                    have += len(piece)
                    yield piece
                return
            except _BrokenError as broken:
                idle = 0 if have > before else idle + 1
                if idle >= self.config.retry.attempts:
                    raise broken.error from broken.error.__cause__
                if self.stop.wait(self.session.pause(idle + 1)):
                    raise StoppedError from None

    def _attempt(self, have: int) -> Iterator[memoryview]:
        """One request; the new bytes that it brings. Raises `_BrokenError` where they end early."""
        with self._rest(have) as response:
            yield from self._new(response, self._check(response, have), self.descriptor.size - have)

    def _rest(self, have: int) -> HttpResponse:
        """What is missing, or all of it where the registry refuses to send a part."""
        if have:
            try:
                return self.session.send(self._request({"Range": f"bytes={have}-"}))
            except StatusError:
                pass
        return self.session.send(self._request({}))

    def _request(self, headers: dict[str, str]) -> ApiRequest:
        name = self.repository.repository
        path = f"/v2/{name}/blobs/{self.descriptor.digest}"
        return ApiRequest(
            "GET", path, self.where, frozenset({200, 206}), frozenset({scope(name, "pull")}), headers=headers
        )

    def _check(self, response: HttpResponse, have: int) -> int:
        """How many bytes of the answer are known already. Raises `ProtocolError` for another length or range."""
        size = self.descriptor.size
        if response.status == 206:
            match = _RANGE.fullmatch(response.header("content-range") or "")
            if not match or int(match[1]) != have or match[3] not in ("*", str(size)):
                raise ProtocolError(
                    f"{self.where}: asked for bytes from {have}, got {response.header('content-range')}"
                )
            return 0
        length = response.header("content-length")
        if length is not None and length != str(size):
            raise ProtocolError(f"{self.where}: has {length[:20]} bytes, its descriptor says {size}")
        return have

    def _new(self, response: HttpResponse, skip: int, wanted: int) -> Iterator[memoryview]:
        got = 0
        pace = _Pace(self.config.timeouts, self.where)
        try:
            for piece in response.pieces():
                if self.stop.is_set():
                    raise StoppedError
                pace.moved(len(piece))
                new = memoryview(piece)[min(skip, len(piece)) :]
                skip -= len(piece) - len(new)
                if got + len(new) > wanted:
                    raise ProtocolError(f"{self.where}: longer than the {self.descriptor.size} bytes announced")
                if len(new):
                    got += len(new)
                    yield new
        except UnreachableError as error:
            raise _BrokenError(error) from None
        if got < wanted:
            short = f"{self.where}: ends {wanted - got} bytes before the {self.descriptor.size} announced"
            raise _BrokenError(UnreachableError(short))


class _BrokenError(Exception):
    """The transfer broke."""

    def __init__(self, error: UnreachableError) -> None:
        super().__init__()
        self.error = error


class _Pace:
    """Notices a sender so slow that it may as well have stopped."""

    def __init__(self, timeouts: Timeouts, where: str) -> None:
        self._timeouts = timeouts
        self._what = where
        self._since = time.monotonic()
        self._bytes = 0

    def moved(self, count: int) -> None:
        self._bytes += count
        now = time.monotonic()
        if now - self._since < self._timeouts.stall:
            return
        if self._bytes < self._timeouts.stall_bytes:
            raise UnreachableError(f"{self._what}: only {self._bytes} bytes in {now - self._since:.0f} seconds")
        self._since, self._bytes = now, 0
