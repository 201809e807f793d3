"""A blob from a blob store into a registry (distribution-spec, "Pushing blobs").

What is there already is not sent, what another repository of the registry has is mounted. Else POST and one PUT;
where that breaks or is refused as too large, PATCH by PATCH, each from where the registry says it stands; from the
beginning where it does not say. Before anything is sent again the registry is asked whether the blob is there.
"""

from __future__ import annotations

import re
import time
from threading import Event
from typing import Final, Literal
from urllib.parse import quote

from lading.registry.auth.tokens import scope
from lading.registry.client.downloads import StoppedError
from lading.registry.client.outgoing import Outgoing
from lading.registry.client.session import PASSING, ApiRequest, Session
from lading.registry.client_config import ClientConfig
from lading.registry.errors import ProtocolError, StatusError, UnreachableError
from lading.registry.http.transport import Body, HttpResponse
from lading.registry.reference import Reference
from lading.store.content.blobs import Source
from lading.store.errors import RegistryError
from lading.store.fastclass import dataclass, field, replace
from lading.store.oci.descriptors import Descriptor
from lading.store.progress import Task
from lading.store.system.patterns import pattern

Outcome = Literal["exists", "mounted", "pushed"]

_RANGE: Final = pattern(r"(?:bytes[= ])?0-(-1|[0-9]{1,19})")
_EMPTY: Final = {"Content-Length": "0"}
_OCTETS: Final = {"Content-Type": "application/octet-stream"}
_DONE: Final = frozenset({200, 201, 202, 204})
_TOO_LARGE: Final = frozenset({405, 411, 413})
"""Answers to a PUT with a whole blob that do not mean that pieces would be refused, too."""
_AGAIN: Final = PASSING | _TOO_LARGE | {404, 409, 416}
_WAITING: Final = "waiting for the registry to store it"
_MOST_CHUNK: Final = 1024 * 1024 * 1024
_MOST_LOOKED: Final = 300.0
"""Seconds for which a blob whose commit was not answered is looked for."""
_LEAST_LOOKS: Final = 2


@dataclass(slots=True)
class _Course:
    """How an upload goes."""

    location: str
    at: int = 0
    """Bytes that the registry has."""
    best: int = 0
    idle: int = 0
    """Attempts in a row that brought it no further."""
    wholes: int = 0
    """Attempts to send all at once."""
    in_pieces: bool = False


@dataclass(slots=True)
class Upload:
    """One blob to push."""

    session: Session
    config: ClientConfig
    repository: Reference
    descriptor: Descriptor
    blobs: Source
    task: Task
    stop: Event = field(default_factory=Event)
    _least: int = 0
    """Bytes of the smallest piece that the registry takes."""

    @property
    def where(self) -> str:
        """For errors."""
        return f"{self.repository.repository_name}: blob {self.descriptor.digest}"

    def run(self, mount_from: tuple[str, ...] = ()) -> Outcome:
        """Makes the blob be there. Raises a `RegistryError`, or `DocumentError` where the blob here is broken."""
        if self._exists():
            return "exists"
        location: str | None = None
        for other in mount_from[:2]:
            try:
                location = self._mount(other)
            except RegistryError:  # for whatever reason: it would only have saved the upload
                continue
            if location is None:
                return "mounted"
        with Outgoing(self.blobs, self.descriptor, self.task, self.stop) as content:
            self._push(content, location or self._start())
        return "pushed"

    def _exists(self) -> bool:
        """Whether the registry says that it has the blob, all of it."""
        path = f"/v2/{self.repository.repository}/blobs/{self.descriptor.digest}"
        try:
            with self.session.send(self._request("HEAD", path, {200})) as response:
                return response.header("content-length") in (None, str(self.descriptor.size))
        except StatusError:
            return False

    def _mount(self, other: str) -> str | None:
        """None where the registry took the blob over from `other`, else where to upload it."""
        query = f"mount={quote(str(self.descriptor.digest), safe='')}&from={quote(other, safe='')}"
        scopes = {scope(other, "pull")}
        request = self._request("POST", self._uploads(f"?{query}"), {201, 202}, _EMPTY, scopes=scopes, repeat=False)
        with self.session.send(request) as response:
            return None if response.status == 201 else self._location(response)

    def _start(self) -> str:
        """Begins an upload; its URL."""
        with self.session.send(self._request("POST", self._uploads(), {200, 202}, _EMPTY)) as response:
            least = response.header("oci-chunk-min-length") or ""
            self._least = min(int(least), _MOST_CHUNK) if re.fullmatch("[0-9]{1,12}", least) else 0
            return self._location(response)

    def _uploads(self, query: str = "") -> str:
        return f"/v2/{self.repository.repository}/blobs/uploads/{query}"

    def _push(self, content: Outgoing, location: str) -> None:
        """Until it is there, or several attempts in a row moved nothing."""
        course = _Course(location)
        while (error := self._attempt(content, course)) is not None:
            if content.is_lost or (isinstance(error, StatusError) and error.status not in _AGAIN):
                raise error
            if self._is_there(content.sent):
                return
            course.idle += 1
            if course.idle >= self.config.retry.attempts:
                raise error
            self._wait(course.idle, error)
            self._look(course, error)

    def _attempt(self, content: Outgoing, course: _Course) -> UnreachableError | StatusError | None:
        """All of it at once, or in pieces what is left; the error that ended it."""
        try:
            if course.at or course.in_pieces:
                self._in_pieces(content, course.location, course.at)
            else:
                course.wholes += 1
                self._close(content, course.location, 0)
        except (UnreachableError, StatusError) as error:
            return error
        return None

    def _look(self, course: _Course, error: UnreachableError | StatusError) -> None:
        """Where the registry stands after an attempt that failed, and how to go on."""
        status = error.status if isinstance(error, StatusError) else None
        course.at, course.location, known = self._standing(course.location)
        # A link that broke will break again; a registry that asked for patience takes the whole then.
        course.in_pieces |= course.wholes > 1 or status in _TOO_LARGE or (known and status != 429)
        if course.at > course.best:
            course.best, course.idle = course.at, 0

    def _is_there(self, sent: float | None) -> bool:
        """Whether the blob came to be there: looked for as long again as its commit was waited for, and twice."""
        now = time.monotonic()
        ends = now + min(now - sent, _MOST_LOOKED) if sent is not None else now
        looks = 0
        while not self._exists():
            looks += 1
            if time.monotonic() >= ends and (sent is None or looks >= _LEAST_LOOKS):
                return False
            self._wait(looks)
        return True

    def _wait(self, attempt: int, error: RegistryError | None = None) -> None:
        asked = error.retry_after if isinstance(error, StatusError) else None
        if self.stop.wait(self.session.pause(attempt, asked)):
            raise StoppedError

    def _standing(self, location: str) -> tuple[int, str, bool]:
        """How much the registry has, and where to go on; from the beginning, and not known, where it does not say."""
        try:
            with self.session.send(self._request("GET", location, {200, 202, 204})) as response:
                return self._stands_at(response, 0), self._location(response, location), True
        except (StatusError, ProtocolError):
            return 0, self._start(), False

    def _in_pieces(self, content: Outgoing, location: str, at: int) -> None:
        while at < self.descriptor.size:
            before, (at, location) = at, self._patch(content, location, at)
            if at <= before:
                words = f"{self.where}: the registry takes nothing after byte {at}"
                raise StatusError(words, status=416)
        self._close(content, location, at)

    def _patch(self, content: Outgoing, location: str, at: int) -> tuple[int, str]:
        """Sends one piece; where the registry stands then."""
        end = min(at + max(self._least, self.config.chunk), self.descriptor.size)
        headers = _OCTETS | {"Content-Length": str(end - at), "Content-Range": f"{at}-{end - 1}"}
        request = self._request(
            "PATCH", location, _DONE | {416}, headers, body=lambda: content.read(at, end), repeat=False
        )
        with self.session.send(request) as response:
            if response.status == 416:
                # It has other bytes than it said, such as one where 0-0 was taken for none.
                stands = self._stands_at(response, 1)
                return max(stands, 1) if at == 0 else stands, self._location(response, location)
            stands = self._stands_at(response, end)
            if not at < stands <= end:
                raise ProtocolError(f"{self.where}: sent bytes {at} to {end}, the registry says it has {stands}")
            return stands, self._location(response, location)

    def _close(self, content: Outgoing, location: str, at: int) -> None:
        """The last request, with all that is left; its answer may take long, for the registry may have to copy."""
        size = self.descriptor.size
        headers = _OCTETS | {"Content-Length": str(size - at)}
        url = f"{location}{'&' if '?' in location else '?'}digest={quote(str(self.descriptor.digest), safe='')}"
        request = self._request("PUT", url, _DONE, headers, body=lambda: content.read(at, size), repeat=False)
        with self.session.send(request):
            return

    def _stands_at(self, response: HttpResponse, default: int) -> int:
        header = response.header("range")
        if not header:
            return default
        match = _RANGE.fullmatch(header.strip())
        if not match or int(match[1]) >= self.descriptor.size > 0:
            raise ProtocolError(f"{self.where}: the registry says it has {header[:60]!r}")
        # A registry that has nothing yet says 0-0 too: only after bytes were sent it means that one is there.
        return 0 if match[1] == "0" and not default else int(match[1]) + 1

    def _location(self, response: HttpResponse, before: str | None = None) -> str:
        location = response.header("location")
        if location:
            return self.session.resolve(location, response)
        if not before:
            raise ProtocolError(f"{self.where}: the registry began an upload without saying where")
        return before

    def _request(
        self,
        method: str,
        target: str,
        accept: set[int] | frozenset[int],
        headers: dict[str, str] | None = None,
        *,
        scopes: set[str] | None = None,
        body: Body | None = None,
        repeat: bool = True,
    ) -> ApiRequest:
        own = frozenset({scope(self.repository.repository, "pull", "push"), *(scopes or ())})
        request = ApiRequest(method, target, self.where, frozenset(accept), own, headers or {}, body, repeat)
        if method != "PUT":
            return request
        return replace(request, seconds=self.config.timeouts.commit, waiting=lambda: self.task.say(_WAITING))
