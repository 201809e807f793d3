"""What a recorded step speaks to in place of every host: HTTP/1.1 and, behind the build's own certificates, HTTPS.

Everything that is not one of the two is told by name and ended.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from typing import IO, Final, Protocol
from urllib.parse import urlsplit

import h11

from lading.build.operations.running.recording.build_authority import BuildAuthority
from lading.store.errors import InputError, LadingError
from lading.store.fastclass import dataclass
from lading.store.oci.digests import Digest
from lading.store.system.patterns import pattern
from lading.verify.observations.exchanges import ASKED, WebAsked, picked

_SILENCE: Final = 30.0
"""Seconds for which a client may say nothing before its first word: who waits for the server speaks no HTTP."""
_PATIENCE: Final = 600.0
_CHUNK: Final = 1 << 16
_IN_MEMORY: Final = 1 << 20
MOST_ASKED: Final = 1 << 30
"""Bytes that a request may carry: they lie in a file until it is answered."""
MOST_UNREAD: Final = 1 << 28
"""Bytes of an answer that are recorded although its client hung up: a server may never end one."""
_HANDSHAKE: Final = 0x16
_PORT: Final = pattern(r"[0-9]{1,5}")
_BODILESS: Final = (204, 304)
_PORTS: Final = {"http": 80, "https": 443}
_OWN: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade", "expect"}
)
"""Headers of a connection, and no further (RFC 9110, section 7.6.1)."""


@dataclass(frozen=True, slots=True)
class WebQuestion:
    """A request: what is kept of it, where it is sent to, all its headers, its body."""

    asked: WebAsked
    target: str
    headers: tuple[tuple[str, str], ...]
    body: IO[bytes]
    size: int


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """What is answered; `size` is that of the body, where it is known before."""

    status: int
    headers: tuple[tuple[str, str], ...]
    pieces: Iterator[bytes]
    size: int | None = None


class WebAnswers(Protocol):
    """Who answers. Called from several threads."""

    def resolves(self, name: str) -> bool:
        """Whether there is a host of this name."""
        ...

    def answer(self, question: WebQuestion) -> WebAnswer:
        """Raises `LadingError` where there is no answer, which is then told to the client as well."""
        ...


@dataclass(frozen=True, slots=True)
class _Peer:
    """Whom a client believes to speak to."""

    scheme: str
    host: str
    port: int
    tunnelled: bool = True

    def netloc(self, host: str | None = None) -> str:
        name = host or self.host
        name = f"[{name}]" if ":" in name else name
        return name if self.port == _PORTS[self.scheme] else f"{name}:{self.port}"


class WebGateway:
    """A `Gateway` of a network enclosure; `told` takes one line about what did not go well."""

    def __init__(self, answers: WebAnswers, authority: BuildAuthority, told: Callable[[str], None]) -> None:
        self._answers = answers
        self._authority = authority
        self._told = told
        self._busy = 0
        self._idle = threading.Condition()

    def settle(self) -> None:
        """Waits until every handshake and answer that was begun is over, and what was wrong with it told."""
        with self._idle:
            self._idle.wait_for(lambda: not self._busy)

    def resolves(self, name: str) -> bool:
        """As the Protocol has it."""
        return self._answers.resolves(name)

    def serve(self, connection: socket.socket, host: str, port: int) -> None:
        """As the Protocol has it."""
        self._serve(connection, host, port, tunnelled=False)

    def _serve(self, connection: socket.socket, host: str, port: int, *, tunnelled: bool) -> None:
        connection.settimeout(_SILENCE)
        try:
            first = connection.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            first = b"\0"
        connection.settimeout(_PATIENCE)
        if not first:
            return
        if first[0] == _HANDSHAKE:
            self._secure(connection, _Peer("https", host, port))
        elif first.isalpha():
            with suppress(OSError):
                self._speak(connection, _Peer("http", host, port, tunnelled), [])
        else:
            self._told(f"{host} port {port}: neither HTTP nor HTTPS, and nothing else is recorded")

    def _secure(self, connection: socket.socket, peer: _Peer) -> None:
        names = [peer.host]
        context = self._authority.server(peer.host, names.append)
        with self._working():  # until it is told: the step may end because of it
            connection.settimeout(_SILENCE)
            try:
                secure = context.wrap_socket(connection, server_side=True)
            except OSError as error:
                self._mistrusted(peer.netloc(names[-1]), error)
                return
            secure.settimeout(_PATIENCE)
        asked: list[str] = []
        failed: OSError | None = None
        try:
            with secure:
                self._speak(secure, _Peer("https", names[-1], peer.port), asked)
        except OSError as error:
            failed = error
        if not asked:
            self._mistrusted(peer.netloc(names[-1]), failed)

    def _mistrusted(self, netloc: str, error: OSError | None) -> None:
        reason = "it hung up before it asked anything"
        if isinstance(error, ssl.SSLError):
            reason = str(error.reason or error)
        self._told(
            f"https://{netloc}: the program does not take the certificate of this build: "
            f"it knows its server's own, or looks for authorities elsewhere ({reason})"
        )

    def _speak(self, connection: socket.socket, peer: _Peer, asked: list[str]) -> None:
        """Answers request after request, noted in `asked`, until one side closes."""
        talk = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 18)
        try:
            while self._exchange(talk, connection, peer, asked):
                talk.start_next_cycle()
        except InputError as error:
            self._told(f"{peer.scheme}://{peer.netloc()}: {error.message}")
        except (h11.ProtocolError, ValueError) as error:
            self._told(f"{peer.scheme}://{peer.netloc()}: not HTTP/1.1, and nothing else is recorded ({error})")

    def _exchange(self, talk: h11.Connection, connection: socket.socket, peer: _Peer, asked: list[str]) -> bool:
        """One request and its answer; whether there may be another."""
        request = _next(talk, connection)
        if not isinstance(request, h11.Request):
            return False
        method, target = request.method.decode("ascii"), request.target.decode("ascii", "replace")
        asked.append(target)
        if method == "CONNECT":
            self._tunnel(connection, peer, target)
            return False
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as body:
            digest, size = _received(talk, connection, body)
            question = _question(peer, request, target, digest, (body, size))
            with self._working():
                self._answer(talk, connection, question)
        return talk.our_state is h11.DONE and talk.their_state is h11.DONE

    def _tunnel(self, connection: socket.socket, peer: _Peer, target: str) -> None:
        """What a client asks of a proxy that it was told of; one in another is none."""
        name, _, number = target.rpartition(":")
        if peer.tunnelled or not _PORT.fullmatch(number):
            raise ValueError(f"no tunnel leads to {target[:80]}")
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        self._serve(connection, name.strip("[]").lower(), int(number), tunnelled=True)

    @contextmanager
    def _working(self) -> Generator[None, None, None]:
        with self._idle:
            self._busy += 1
        try:
            yield
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()

    def _answer(self, talk: h11.Connection, connection: socket.socket, question: WebQuestion) -> None:
        try:
            answer = self._answers.answer(question)
        except LadingError as error:
            self._told(f"{question.asked.title}: {error.message}")
            answer = _refusal(f"{question.asked.title}: {error.message}\n".encode())
        headers = [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in answer.headers]
        if answer.size is not None and question.asked.method != "HEAD" and answer.status not in _BODILESS:
            headers.append((b"content-length", b"%d" % answer.size))
        connection.sendall(talk.send(h11.Response(status_code=answer.status, headers=headers)) or b"")
        try:
            for piece in answer.pieces:
                connection.sendall(talk.send(h11.Data(data=piece)) or b"")
        except LadingError as error:
            self._told(f"{question.asked.title}: {error.message}")
            return  # the client sees an answer that broke off, as it would
        finally:
            with suppress(LadingError):  # whoever hangs up does not keep it from being recorded
                self._rest(question, answer.pieces)
        connection.sendall(talk.send(h11.EndOfMessage()) or b"")

    def _rest(self, question: WebQuestion, pieces: Iterator[bytes]) -> None:
        left = MOST_UNREAD
        for piece in pieces:
            left -= len(piece)
            if left < 0:
                self._told(
                    f"{question.asked.title}: not recorded: the program hung up, and more than "
                    f"{MOST_UNREAD >> 20} MiB of the answer followed"
                )
                return


def _next(talk: h11.Connection, connection: socket.socket) -> object:
    while True:
        event = talk.next_event()
        if event is not h11.NEED_DATA:
            return event
        if talk.they_are_waiting_for_100_continue:
            connection.sendall(talk.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
        talk.receive_data(connection.recv(_CHUNK))


def _received(talk: h11.Connection, connection: socket.socket, body: IO[bytes]) -> tuple[Digest, int]:
    """Takes the body of a request down."""
    found, size = hashlib.sha256(), 0
    while isinstance(event := _next(talk, connection), h11.Data):
        found.update(event.data)
        size += body.write(event.data)
        if size > MOST_ASKED:
            raise InputError(f"a request with more than {MOST_ASKED >> 20} MiB is not recorded")
    if not isinstance(event, h11.EndOfMessage):
        raise OSError("the client hung up in its request")
    body.seek(0)
    return Digest("sha256", found.hexdigest()), size


def _question(
    peer: _Peer, request: h11.Request, target: str, digest: Digest, content: tuple[IO[bytes], int]
) -> WebQuestion:
    """With a URL by the name that was looked up; by what the request itself says where that was an address.

    A Host that is another's than the URL's is kept as well: the answer may be that one's.
    """
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw_items())
    lower = {name.lower(): value for name, value in headers}
    said = lower.get("host", "")
    base = f"{peer.scheme}://{peer.netloc()}"
    if target.startswith(("http://", "https://")):  # a client that was told of a proxy
        url = where = target
    else:
        if not target.startswith("/"):
            raise ValueError(f"{target[:80]!r} is no path")
        where = f"{base}{target}"
        url = f"{peer.scheme}://{said}{target}" if said and _is_address(peer.host) else where
        where = url if peer.scheme == "https" else where
    own = _OWN | {name.strip().lower() for name in lower.get("connection", "").split(",")}
    kept = tuple((name, value) for name, value in headers if name.lower() not in own)
    named = ASKED if _same_host(url, said) else (*ASKED, "host")
    asked = WebAsked(request.method.decode("ascii"), url.partition("#")[0], picked(headers, named), digest)
    return WebQuestion(asked, where, kept, *content)


def _same_host(url: str, said: str) -> bool:
    """Whether a Host is the one of a URL, however it is written; none is."""
    parts, host = urlsplit(url), urlsplit(f"//{said}")
    port = _PORTS[parts.scheme]
    same_name = (host.hostname or "").rstrip(".") == parts.hostname
    return not said or (same_name and (host.port or port) == (parts.port or port))


def _refusal(text: bytes) -> WebAnswer:
    return WebAnswer(502, (("content-type", "text/plain; charset=utf-8"),), iter((b"lading: " + text,)), len(text) + 8)


def _is_address(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False
