"""What a recording holds of a step's requests, and what a step reaches by way of it."""

from __future__ import annotations

import gzip
import lzma
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self

import pytest
import zstandard

from lading.build.operations.running.recording import body_search, web_gateway
from lading.build.operations.running.recording.build_authority import BuildAuthority
from lading.build.operations.running.recording.web_gateway import WebAnswers, WebGateway
from lading.build.operations.running.recording.web_recorder import WebRecorder
from lading.build.operations.running.recording.web_replayer import WebReplayer
from lading.build.operations.running.recording.withheld_values import Readings, WithheldValues
from lading.registry.client_config import ClientConfig
from lading.registry.errors import UnreachableError
from lading.registry.http.transport import HttpRequest, HttpResponse, HttpxTransport, Transport
from lading.store.store import Store
from lading.verify.observations.contacts import together
from lading.verify.observations.exchanges import NetworkTape, StepTape

SECRET = b"s3cr t/word"
WITHHELD = WithheldValues.of({"token": SECRET}, {})
READINGS = Readings.of({"token": SECRET}, {}, {})
QUERY = "token=s3cr%20t%2Fword"
COMMAND = ("x",)


class Answer:
    """A complete answer in memory."""

    here, peer = False, ("192.0.2.9", 80)

    def __init__(self, url: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.url, self.status, self._headers, self._body = url, status, headers, body

    def header(self, name: str) -> str | None:
        return self._headers.get(name)

    def pieces(self) -> Iterator[bytes]:
        yield self._body

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        pass


class Web:
    """A transport to one server, which answers everything alike."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        self._status, self._headers, self._body = status, headers, body
        self.asked: list[str] = []

    def send(self, request: HttpRequest) -> HttpResponse:
        self.asked.append(request.url)
        return Answer(request.url, self._status, self._headers, self._body)

    def close(self) -> None:
        pass


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.open(tmp_path / "store")
    yield made
    made.close()


def ask(answers: WebAnswers, request: str) -> tuple[str, list[str]]:
    """What a client of ``web.example.com`` gets to hear, and what the gateway tells."""
    told: list[str] = []
    ours, theirs = socket.socketpair()
    with ours, theirs:
        gateway = WebGateway(answers, BuildAuthority(), told.append)

        def serve() -> None:
            gateway.serve(ours, "web.example.com", 80)
            ours.shutdown(socket.SHUT_RDWR)

        serving = Thread(target=serve)
        serving.start()
        with suppress(BrokenPipeError):
            theirs.sendall(request.encode())
            theirs.shutdown(socket.SHUT_WR)
        said = theirs.makefile("rb").read().decode()
        serving.join()
        return said, told


def get(target: str) -> str:
    return f"GET {target} HTTP/1.1\r\nHost: web.example.com\r\nConnection: close\r\n\r\n"


def recorder(store: Store, transport: Transport) -> WebRecorder:
    return WebRecorder(transport, store.blobs, WITHHELD)


def test_no_secret_is_in_a_recording_where_a_server_repeats_the_url(store: Store) -> None:
    to = f"https://web.example.com/there/?{QUERY}"
    recording = recorder(store, Web(301, {"location": to, "link": f"<{to}>; rel=canonical"}))
    said, _ = ask(recording, get(f"/there?{QUERY}"))
    assert f"location: {to}\r\n" in said
    tape = NetworkTape((recording.tape(COMMAND),))
    assert b"s3cr" not in tape.raw()
    again, _ = ask(WebReplayer(tape, COMMAND, store.blobs, READINGS), get(f"/there?{QUERY}"))
    assert "location: https://web.example.com/there/?token=***\r\n" in again


TOKEN = b"token-of <sorts>"
PACKED = {
    "plain": b"x" * 65530 + TOKEN,
    "escaped": b"token-of &lt;sorts&gt;",
    "url": b"?token=token-of+%3Csorts%3E",
    "gzip": gzip.compress(b"{" + TOKEN + b"}"),
    "twice": gzip.compress(gzip.compress(TOKEN) + b"and more"),
    "zstd": zstandard.compress(b"y" * 100_000 + TOKEN),
    "damaged": gzip.compress(b"nothing")[:-9] + TOKEN,
    "xz": lzma.compress(TOKEN),
}


@pytest.mark.parametrize("body", PACKED.values(), ids=list(PACKED))
def test_an_answer_with_a_secret_in_it_is_refused(store: Store, body: bytes) -> None:
    recording = WebRecorder(Web(200, {}, body), store.blobs, WithheldValues.of({"tok": TOKEN + b"\n"}, {}))
    _, told = ask(recording, get("/there"))
    assert recording.refused == [
        "the answer to GET http://web.example.com/there has the value of the secret tok in it, "
        "which no recording may keep"
    ]
    assert told == ["GET http://web.example.com/there: not recorded: the value of the secret tok is in the answer"]
    assert recording.tape(COMMAND).exchanges == ()
    assert not [path for path in (store.root / "blobs").rglob("*") if path.is_file()]


def test_what_unpacks_without_an_end_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_search, "MOST_SEARCHED", 1 << 20)
    body = gzip.compress(b"x" * (2 << 20))
    recording = WebRecorder(Web(200, {}, body), store.blobs, WithheldValues.of({"tok": TOKEN}, {}))
    ask(recording, get("/"))
    assert ["unpacks to more than the 0 GiB that are searched" in line for line in recording.refused] == [True]


@pytest.mark.parametrize("body", [b"nothing", bytes(1 << 20)], ids=["short", "more than a pipe holds"])
def test_what_could_not_be_searched_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    """Whatever ends the search: here the memory that a decompressor asks for."""

    def fail(stream: object, where: str) -> None:
        raise MemoryError

    monkeypatch.setattr(body_search, "unpacked", fail)
    monkeypatch.setattr("threading.excepthook", lambda _: None)
    recording = WebRecorder(Web(200, {}, body), store.blobs, WithheldValues.of({"tok": TOKEN}, {}))
    ask(recording, get("/"))
    assert ["could not be searched for secrets" in line for line in recording.refused] == [True]
    assert recording.tape(COMMAND).exchanges == ()


def test_of_build_arguments_those_that_sound_secret_are_refused(store: Store) -> None:
    """The others are said; what is short is in any answer by chance."""
    given = {"CHANNEL": "nightly-build", "NPM_TOKEN": "abcdefgh", "SHORT": "nightly", "KEY": "ly-bui"}
    recording = WebRecorder(Web(200, {}, b"of nightly-build"), store.blobs, WithheldValues.of({}, given))
    ask(recording, get("/"))
    assert recording.refused == []
    assert recording.repeated == {
        "the build argument CHANNEL": "the answer to GET http://web.example.com/ has the value of the build argument "
        "CHANNEL in it, which the provenance withholds and the recording keeps"
    }
    assert len(recording.tape(COMMAND).exchanges) == 1
    recording = WebRecorder(Web(200, {}, b"abcdefgh"), store.blobs, WithheldValues.of({}, given))
    ask(recording, get("/"))
    assert len(recording.refused) == 1


def test_what_is_a_secret_and_a_build_argument_is_a_secret(store: Store) -> None:
    withheld = WithheldValues.of({"tok": b"same-value"}, {"CHANNEL": "same-value"})
    recording = WebRecorder(Web(200, {}, b"of same-value"), store.blobs, withheld)
    ask(recording, get("/"))
    assert len(recording.refused) == 1
    assert recording.tape(COMMAND).exchanges == ()


def test_answers_that_were_not_kept_are_named_up_to_a_bound(store: Store) -> None:
    recording = WebRecorder(Web(200, {}, b"abcdefgh"), store.blobs, WithheldValues.of({"tok": b"abcdefgh"}, {}))
    for number in range(300):
        ask(recording, get(f"/{number}/{'x' * 5000}"))
    lost = recording.tape(COMMAND).unrecorded
    assert len(lost) == 256
    assert max(map(len, lost)) == 1024


@pytest.mark.parametrize("then", [{}, {"CHANNEL": "night/ly"}])
@pytest.mark.parametrize("now", [{}, {"CHANNEL": "night/ly"}])
def test_an_argument_stands_by_its_name_where_it_is_withheld(
    store: Store, then: dict[str, str], now: dict[str, str]
) -> None:
    """And a recording answers the same question whether it is withheld now or not."""
    to = "http://web.example.com/night/ly/there"
    recording = WebRecorder(Web(301, {"location": to}), store.blobs, WithheldValues.of({}, then))
    ask(recording, get("/night/ly?x=night%2Fly"))
    tape = NetworkTape((recording.tape(COMMAND),))
    shown = "http://web.example.com/${CHANNEL}?x=${CHANNEL}" if then else "http://web.example.com/night/ly?x=night%2Fly"
    assert tape.steps[0].exchanges[0].asked.url == shown
    given = {"CHANNEL": "night/ly"}
    replayer = WebReplayer(tape, COMMAND, store.blobs, Readings.of({}, given, now))
    said, _ = ask(replayer, get("/night/ly?x=night%2Fly"))
    assert (f"location: {to}\r\n" in said, replayer.missed) == (True, [])
    assert (b"night/ly" in NetworkTape((replayer.tape(COMMAND),)).raw()) == (not now and not then)


@pytest.mark.parametrize("size", [5, 200_000])
def test_an_answer_that_is_not_as_it_was_recorded_ends_no_step_well(store: Store, size: int) -> None:
    recording = recorder(store, Web(200, {}, b"a" * size))
    ask(recording, get("/"))
    tape = recording.tape(COMMAND)
    blob = store.root / "blobs/sha256" / tape.exchanges[0].digest.hex
    blob.chmod(0o600)
    blob.write_bytes(b"b" * size)
    replayer = WebReplayer(NetworkTape((tape,)), COMMAND, store.blobs, READINGS)
    said, _ = ask(replayer, get("/"))
    assert f"content-length: {size}\r\n" in said
    assert len(said.partition("\r\n\r\n")[2]) < size
    assert ["the answer to GET http://web.example.com/ is not here as it was" in one for one in replayer.missed] == [
        True
    ]


def test_an_answer_without_an_end_is_given_up_once_its_client_has(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_gateway, "MOST_UNREAD", 1 << 20)
    monkeypatch.setattr(Answer, "pieces", lambda self: repeat(b"x" * 4096))
    recording, told = recorder(store, Web(200, {})), list[str]()
    gateway = WebGateway(recording, BuildAuthority(), told.append)
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            theirs.sendall(get("/").encode())
            serving = Thread(target=gateway.serve, args=(ours, "web.example.com", 80))
            serving.start()
            assert theirs.recv(100)
        serving.join()
    gateway.settle()
    assert told == [
        "GET http://web.example.com/: not recorded: the program hung up, and more than 1 MiB of the answer followed"
    ]
    tape = recording.tape(COMMAND)
    assert (tape.exchanges, tape.unrecorded) == ((), ("GET http://web.example.com/",))
    assert StepTape.parse(tape.value(), "") == tape
    assert not [path for path in (store.root / "blobs").rglob("*") if path.is_file()]


def test_an_answer_that_breaks_off_is_told_of_the_step(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the secret that it was asked for with."""

    def broken(_: Answer) -> Iterator[bytes]:
        yield b"x" * 4096
        yield b"y"
        raise UnreachableError("the connection broke")

    monkeypatch.setattr(Answer, "pieces", broken)
    recording = recorder(store, Web(200, {}))
    said, _ = ask(recording, get(f"/?{QUERY}"))
    assert "xxx" in said
    assert recording.tape(COMMAND).unrecorded == ("GET http://web.example.com/?token=***",)


def test_a_request_that_carries_too_much_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_gateway, "MOST_ASKED", 1 << 20)
    head = f"POST / HTTP/1.1\r\nHost: web.example.com\r\nContent-Length: {2 << 20}\r\n\r\n"
    said, told = ask(recorder(store, Web(200, {})), head + "x" * (2 << 20))
    assert (said, told) == ("", ["http://web.example.com: a request with more than 1 MiB is not recorded"])


def test_more_names_of_one_address_than_fit_are_said(store: Store) -> None:
    """As behind a proxy, which all of them are reached by."""
    recording = recorder(store, Web(200, {}, b"x"))
    names = [f"host{number:02}.example.com" for number in range(65)]
    for name in names[:64]:
        ask(recording, get(f"http://{name}/"))
    (one,) = together((recording.reached,)).destinations
    assert (one.address, one.port, list(one.names)) == ("192.0.2.9", 80, names[:64])
    assert together((recording.reached,)).state == "observed"
    ask(recording, get(f"http://{names[64]}/"))
    assert together((recording.reached,)).state == "cut"


def test_a_header_beyond_ascii_reaches_the_client(store: Store) -> None:
    name = "attachment; filename=größe.txt"
    recording = recorder(store, Web(200, {"content-disposition": name}, b"x"))
    said, told = ask(recording, get("/"))
    assert (f"content-disposition: {name}\r\n" in said, told) == (True, [])
    tape = NetworkTape((recording.tape(COMMAND),))
    assert name in ask(WebReplayer(tape, COMMAND, store.blobs, READINGS), get("/"))[0]


@pytest.mark.parametrize("target", ["http://127.0.0.1:{}/", "http://localhost:{}/", "http://[::ffff:127.0.0.1]:{}/"])
def test_a_step_does_not_reach_this_machine_by_way_of_the_recorder(store: Store, target: str) -> None:
    asked: list[str] = []

    class Own(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *words: Any) -> None:  # noqa: A002 - as the base class has it
            del format, words

    server = ThreadingHTTPServer(("127.0.0.1", 0), Own)
    Thread(target=server.serve_forever, daemon=True).start()
    transport = HttpxTransport(ClientConfig())
    try:
        said, told = ask(recorder(store, transport), get(target.format(server.server_address[1])))
    finally:
        transport.close()
        server.shutdown()
        server.server_close()
    assert asked == []
    assert said.startswith("HTTP/1.1 502 ")
    assert any("leads to this machine" in line for line in told)


def test_a_tunnel_to_no_port_is_told(store: Store) -> None:
    _, told = ask(recorder(store, Web(200, {})), f"CONNECT a:{'9' * 5000} HTTP/1.1\r\nHost: a\r\n\r\n")
    assert ["no tunnel leads to a:9" in line for line in told] == [True]


def test_there_is_no_tunnel_in_a_tunnel(store: Store) -> None:
    told: list[str] = []
    gateway = WebGateway(recorder(store, Web(200, {})), BuildAuthority(), told.append)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        serving = Thread(target=gateway.serve, args=(ours, "web.example.com", 80))
        serving.start()
        theirs.sendall(b"CONNECT a.example:80 HTTP/1.1\r\nHost: a.example\r\n\r\n")
        assert theirs.recv(64).startswith(b"HTTP/1.1 200 ")
        theirs.sendall(b"CONNECT a.example:80 HTTP/1.1\r\nHost: a.example\r\n\r\n")
        serving.join()
    assert ["no tunnel leads to a.example:80" in line for line in told] == [True]


def test_a_host_of_another_is_kept_and_answers_for_nobody_else(store: Store) -> None:
    recording = recorder(store, Web(200, {}, b"x"))
    for host in ("web.example.com", "WEB.example.com.:80", "other.example"):
        assert ask(recording, get("/").replace("Host: web.example.com", f"Host: {host}"))[0].startswith("HTTP/1.1 200 ")
    tape = recording.tape(COMMAND)
    assert [one.asked.headers for one in tape.exchanges] == [(), (), (("host", "other.example"),)]
    replayed = WebReplayer(NetworkTape((tape,)), COMMAND, store.blobs, READINGS)
    said, told = ask(replayed, get("/").replace("Host: web.example.com", "Host: third.example"))
    assert (said[:13], len(told)) == ("HTTP/1.1 502 ", 1)


@pytest.mark.parametrize("target", ["@other.example/", ".other.example/", ":8080/", "other.example/", "*"])
def test_what_is_no_path_leads_nowhere(store: Store, target: str) -> None:
    """Behind the name that was looked up it would be part of another one."""
    web = Web(200, {}, b"x")
    recording = recorder(store, web)
    said, told = ask(recording, get(target))
    assert (said, len(told), recording.tape(COMMAND).exchanges, web.asked) == ("", 1, (), [])
