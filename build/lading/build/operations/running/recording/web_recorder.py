"""Asks the web what a step asks, and keeps what it answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TYPE_CHECKING, Final
from urllib.parse import urlsplit

from lading.build.operations.running.recording.body_search import BodySearch
from lading.build.operations.running.recording.web_gateway import WebAnswer, WebQuestion
from lading.build.operations.running.recording.withheld_values import WithheldValues
from lading.store.content.blobs import Blobs
from lading.store.errors import InputError
from lading.store.fastclass import replace
from lading.store.oci.digests import Digest
from lading.store.system.patterns import pattern
from lading.verify.observations.contacts import Contact, Contacts
from lading.verify.observations.exchanges import TOLD, StepTape, WebExchange

if TYPE_CHECKING:
    from lading.registry.http.transport import HttpResponse, Transport

_CHUNK: Final = 1 << 16
_SIZE: Final = pattern(r"[0-9]{1,18}")
_MOST: Final = 65536
"""Exchanges of a step."""
_MOST_LOST: Final = 256
"""Requests that are named whose answers were not kept; one is enough for a step not to be `recorded`."""
_LONGEST_TITLE: Final = 1024


class WebRecorder:
    """`WebAnswers` of the web itself, by `transport`. Bodies become blobs while they are handed on.

    `refused` and `repeated` say of answers that they have secrets in them, and other withheld values.
    """

    def __init__(self, transport: Transport | None, blobs: Blobs, withheld: WithheldValues) -> None:
        self._transport = transport
        self._blobs = blobs
        self._withheld = withheld
        self._public = withheld.public
        self.refused: list[str] = []
        self.repeated: dict[str, str] = {}
        self._lock = threading.Lock()
        self._found: list[WebExchange] = []
        self._names: set[str] = set()
        self._absent: set[str] = set()
        self._lost: set[str] = set()
        self._reached: dict[tuple[str, int], set[str]] = {}

    def resolves(self, name: str) -> bool:
        """By the machine's own resolver."""
        try:
            there = bool(socket.getaddrinfo(name, None, proto=socket.IPPROTO_TCP))
        except (OSError, UnicodeError):
            there = False
        with self._lock:
            (self._names if there else self._absent).add(self._public(name))
        return there

    def answer(self, question: WebQuestion) -> WebAnswer:
        """Raises `InputError`, and what the transport raises."""
        from lading.registry.http.transport import HttpRequest  # noqa: PLC0415 - where something is recorded

        if self._transport is None:
            raise InputError("this build has no network")
        headers = {name: value for name, value in question.headers if name.lower() != "content-length"}
        body: Callable[[], Iterator[bytes]] | None = None
        if question.size:
            headers["Content-Length"] = str(question.size)
            body = lambda: _pieces(question.body)  # noqa: E731
        # away: what this machine alone reaches is not the step's, which could not reach it itself.
        request = HttpRequest(question.asked.method, question.target, headers, body, away=True)
        response = self._transport.send(request)
        self._note(response.peer, urlsplit(question.target).hostname or "")
        kept = (*TOLD, "content-length") if question.asked.method == "HEAD" else TOLD
        told = tuple((name, value) for name in kept if (value := response.header(name)) is not None)
        size = response.header("content-length") or ""
        known = int(size) if _SIZE.fullmatch(size) else None
        return WebAnswer(response.status, told, self._kept(question, response, told), known)

    @property
    def reached(self) -> Contacts:
        """Whom its requests reached: behind the machine's own proxy the proxy, by the names that it was asked for."""
        with self._lock:
            found = sorted(self._reached.items())
        return Contacts("observed", tuple(Contact("tcp", *peer, tuple(sorted(names))) for peer, names in found))

    def _note(self, peer: tuple[str, int], host: str) -> None:
        address, port = peer[0].partition("%")[0], peer[1]
        with self._lock:
            self._reached.setdefault((address, port), set()).update({self._public(host)} - {address, ""})

    def tape(self, command: tuple[str, ...]) -> StepTape:
        """All that was recorded, sorted; exchanges of one request in their order."""
        with self._lock:
            found = sorted(self._found, key=lambda one: one.asked.key)
            names = tuple(sorted(self._names)), tuple(sorted(self._absent))
            return StepTape(command, tuple(found), *names, tuple(sorted(self._lost)))

    def _kept(
        self, question: WebQuestion, response: HttpResponse, told: tuple[tuple[str, str], ...]
    ) -> Iterator[bytes]:
        """The body piece by piece; the last one is handed on when all of it is kept."""
        size, last, kept = 0, b"", False
        try:
            with response, self._blobs.writer() as writer, BodySearch(self._withheld.in_bodies) as search:
                for piece in response.pieces():
                    size += writer.write(piece)
                    search.feed(piece)
                    if last:
                        yield last
                    last = piece
                self._check(self._public(question.asked.title), search)
                self._keep(question, response.status, told, writer.commit(), size)
                kept = True
        finally:
            if not kept:
                with self._lock:
                    if len(self._lost) < _MOST_LOST:
                        self._lost.add(self._public(question.asked.title)[:_LONGEST_TITLE])
        if last:
            yield last

    def _check(self, title: str, search: BodySearch) -> None:
        """Raises `InputError` for an answer that no recording may have."""
        try:
            found = search.found()
        except InputError as error:
            with self._lock:
                self.refused.append(f"the answer to {title}: {error.message}")
            raise
        for one in found:
            line = f"the answer to {title} has the value of {one.title} in it"
            with self._lock:
                if not one.secret:
                    self.repeated.setdefault(
                        one.title, f"{line}, which the provenance withholds and the recording keeps"
                    )
                    continue
                self.refused.append(f"{line}, which no recording may keep")
            raise InputError(f"not recorded: the value of {one.title} is in the answer")

    def _keep(
        self, question: WebQuestion, status: int, told: tuple[tuple[str, str], ...], digest: Digest, size: int
    ) -> None:
        asked = question.asked
        public = replace(asked, url=self._public(asked.url), headers=_each(self._public, asked.headers))
        exchange = WebExchange(public, status, tuple(sorted(_each(self._public, told))), digest, size)
        with self._lock:
            if len(self._found) >= _MOST:
                raise InputError(f"more than {_MOST} requests of one step cannot be recorded")
            self._found.append(exchange)


def _each(public: Callable[[str], str], headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """A server that leads elsewhere may repeat the URL that it was asked for."""
    return tuple((name, public(value)) for name, value in headers)


def _pieces(body: IO[bytes]) -> Iterator[bytes]:
    body.seek(0)
    while piece := body.read(_CHUNK):
        yield piece
