"""A blob from a blob store into a registry (distribution-spec, "Pushing blobs").

What is there already is not sent, what another repository of the registry has is mounted. Else POST and one PUT;
where that breaks or is refused as too large, PATCH by PATCH, each from where the registry says it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field
from threading import Event
from typing import Final, Literal
from urllib.parse import quote

from lading.registry.auth import scope
from lading.registry.config import ClientConfig
from lading.registry.downloads import StoppedError
from lading.registry.errors import NotFoundError, ProtocolError, StatusError, UnreachableError
from lading.registry.reference import Reference
from lading.registry.session import Call, Session
from lading.registry.transport import Answer, Body
from lading.store.blobs import Blobs
from lading.store.descriptors import Descriptor
from lading.store.errors import RegistryError
from lading.store.fastclass import dataclass
from lading.store.progress import Task

Outcome = Literal["exists", "mounted", "pushed"]

_PIECE: Final = 1024 * 1024
_RANGE: Final = re.compile(r"(?:bytes=)?0-([0-9]{1,19})")
_CREATED: Final = frozenset({201, 204})
_IN_PIECES: Final = frozenset({404, 405, 408, 411, 413, 416, 429, 500, 502, 503, 504})
"""Answers to a PUT with a whole blob that do not mean that pieces would be refused, too."""


class _RestartError(Exception):
    """The registry forgot the upload."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One blob to push."""

    session: Session
    config: ClientConfig
    repository: Reference
    descriptor: Descriptor
    blobs: Blobs
    task: Task
    stop: Event = field(default_factory=Event)

    @property
    def what(self) -> str:
        """For errors."""
        return f"{self.repository.repository_name}: blob {self.descriptor.digest}"

    def run(self, mount_from: tuple[str, ...] = ()) -> Outcome:
        """Makes the blob be there. Raises a `RegistryError`, or `DocumentError` where the blob here is broken."""
        if self._exists():
            return "exists"
        location: str | None = None
        for other in mount_from[:2]:
            location = self._start({"mount": str(self.descriptor.digest), "from": other})
            if location is None:
                return "mounted"
        self._push(location or self._start({}))
        return "pushed"

    def _push(self, location: str | None) -> None:
        if location is None:
            return
        try:
            self._whole(location)
            return
        except UnreachableError:
            pass
        except StatusError as error:
            if error.status not in _IN_PIECES:
                raise
        if not self._exists():
            self._in_pieces(location)

    def _exists(self) -> bool:
        path = f"/v2/{self.repository.repository}/blobs/{self.descriptor.digest}"
        with self.session.send(self._call("HEAD", path, {200, 404})) as answer:
            length = answer.header("content-length")
            if answer.status == 200 and length not in (None, str(self.descriptor.size)):
                raise ProtocolError(f"{self.what}: the registry has {length} bytes of {self.descriptor.size}")
            return answer.status == 200

    def _start(self, query: dict[str, str]) -> str | None:
        """Begins an upload; its URL, None where a mount made one needless."""
        path = f"/v2/{self.repository.repository}/blobs/uploads/"
        if query:
            path += "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        scopes = {scope(query["from"], "pull")} if "from" in query else set[str]()
        call = self._call("POST", path, {201, 202} if query else {202}, headers={"Content-Length": "0"}, scopes=scopes)
        with self.session.send(call) as answer:
            return None if answer.status == 201 else self._location(answer)

    def _whole(self, location: str) -> None:
        size = self.descriptor.size
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        call = self._call(
            "PUT", self._closing(location), _CREATED, headers=headers, body=lambda: self._read(0, size), repeat=False
        )
        self.session.send(call).__exit__(None, None, None)

    def _in_pieces(self, location: str) -> None:
        """Goes on from where the registry stands, until it has all, or several attempts in a row moved nothing."""
        idle, at = 0, -1
        last: RegistryError = UnreachableError(f"{self.what}: the registry forgets the upload again and again")
        while idle < self.config.retry.attempts:
            before = at
            try:
                at, location = self._status(location)
                while at < self.descriptor.size:
                    at, location = self._patch(location, at)
                self._close(location)
                return
            except _RestartError:
                location, at = self._start({}) or location, -1
            except UnreachableError as error:
                last = error
            except StatusError as error:
                if error.status not in _IN_PIECES:
                    raise
                last = error
            idle = 0 if at > before >= 0 else idle + 1
            if self.stop.wait(self.session.pause(idle + 1)):
                raise StoppedError
        raise last

    def _status(self, location: str) -> tuple[int, str]:
        """How much the registry has, and where to go on."""
        try:
            with self.session.send(self._call("GET", location, {204})) as answer:
                return self._stands_at(answer, 0), self._location(answer, location)
        except NotFoundError:
            raise _RestartError from None

    def _patch(self, location: str, at: int) -> tuple[int, str]:
        end = min(at + self.config.chunk, self.descriptor.size)
        headers = {
            "Content-Length": str(end - at),
            "Content-Range": f"{at}-{end - 1}",
            "Content-Type": "application/octet-stream",
        }
        body: Body = lambda: self._read(at, end)  # noqa: E731
        call = self._call("PATCH", location, {202, 204}, headers=headers, body=body, repeat=False)
        try:
            with self.session.send(call) as answer:
                stands = self._stands_at(answer, end)
                if not at < stands <= end:
                    raise ProtocolError(f"{self.what}: sent bytes {at} to {end}, the registry says it has {stands}")
                return stands, self._location(answer, location)
        except NotFoundError:
            raise _RestartError from None

    def _close(self, location: str) -> None:
        headers = {"Content-Length": "0"}
        self.session.send(self._call("PUT", self._closing(location), _CREATED, headers=headers, repeat=False)).__exit__(
            None, None, None
        )

    def _stands_at(self, answer: Answer, default: int) -> int:
        header = answer.header("range")
        if not header:
            return default
        match = _RANGE.fullmatch(header)
        if not match or int(match[1]) >= self.descriptor.size > 0:
            raise ProtocolError(f"{self.what}: the registry says it has {header[:60]!r}")
        # A registry that has nothing yet says 0-0 too: only after bytes were sent it means that one is there.
        return 0 if match[1] == "0" and not default else int(match[1]) + 1

    def _location(self, answer: Answer, before: str | None = None) -> str:
        location = answer.header("location") or before
        if not location:
            raise ProtocolError(f"{self.what}: the registry began an upload without saying where")
        return self.session.resolve(location)

    def _closing(self, location: str) -> str:
        return f"{location}{'&' if '?' in location else '?'}digest={quote(str(self.descriptor.digest), safe='')}"

    def _read(self, start: int, end: int) -> Iterator[bytes]:
        """The blob's bytes from `start` to `end`; whoever reads to the blob's end reads verified bytes."""
        with self.blobs.open(self.descriptor.digest) as reader:
            at = 0
            while at < end and (piece := reader.read(min(_PIECE, (start if at < start else end) - at))):
                at += len(piece)
                if at <= start:
                    continue
                if self.stop.is_set():
                    raise StoppedError
                self.task.advance(len(piece))
                yield piece
            if end == self.descriptor.size:
                reader.read(1)  # the end is where the digest is checked

    def _call(
        self,
        method: str,
        target: str,
        accept: set[int] | frozenset[int],
        *,
        headers: dict[str, str] | None = None,
        scopes: set[str] | None = None,
        body: Body | None = None,
        repeat: bool = True,
    ) -> Call:
        own = scope(self.repository.repository, "pull", "push")
        return Call(
            method, target, self.what, frozenset(accept), frozenset({own, *(scopes or ())}), headers or {}, body, repeat
        )
