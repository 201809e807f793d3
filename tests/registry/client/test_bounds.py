"""Every exchange with a registry ends, and so does every judgement, whatever the other side does."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest

from lading.registry.client.client import Client
from lading.registry.client.evidence import RegistryEvidence
from lading.registry.client_config import ClientConfig, Limits, Retry, Timeouts
from lading.registry.errors import RegistryError, UnreachableError
from lading.registry.reference import Reference
from lading.store.content.memory import MemoryBlobs
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import LAYER
from lading.verify.evidence.collector import EvidenceCollector
from lading.verify.evidence.evidence import ExhaustedError
from suites.papers import image, signature
from suites.registry_hostile import Handler, Hostile, digest, hostile

SHORT = Timeouts(connect=0.5, read=0.5, document=1, stall=1)
ONCE = Retry(attempts=1)


def for_ever(handler: Handler, first: bytes, again: bytes, pause: float = 0.05) -> None:
    """Sends `first`, then `again` for as long as anybody listens."""
    handler.close_connection = True
    with contextlib.suppress(OSError):
        handler.wfile.write(first)
        while not handler.is_left(pause):
            handler.wfile.write(again)
            handler.wfile.flush()


DRIBBLES: dict[str, tuple[bytes, bytes]] = {
    "nothing": (b"", b""),
    "a status line": (b"HTTP/1.1 ", b"2"),
    "1xx answers": (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
    "one header": (b"HTTP/1.1 200 OK\r\nX-A: ", b"b"),
    "trailers": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n", b"X-A: b\r\n"),
    "the size of a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a"),
    "empty lines": (b"", b"\r\n"),
    "an error": (b"HTTP/1.1 400 Bad\r\nContent-Length: 9999\r\n\r\n", b" "),
}


@pytest.mark.parametrize("verb", ["a manifest", "a blob", "an upload"])
@pytest.mark.parametrize("what", DRIBBLES)
def test_an_answer_that_dribbles_ends(what: str, verb: str) -> None:
    with hostile() as bad, Client(ClientConfig(retry=ONCE, timeouts=SHORT)) as client:
        ref = Reference.parse(f"{bad.host}/app:1")
        bad.trick("(GET|POST) /v2/app/", lambda h: for_ever(h, *DRIBBLES[what]))
        blobs = MemoryBlobs()
        with blobs.writer() as writer:
            writer.write(b"content")
            writer.commit()
        wanted = Descriptor.of(b"content", LAYER)
        calls: dict[str, Callable[[], object]] = {
            "a manifest": lambda: client.resolve(ref),
            "a blob": lambda: client.pull_blob(ref, wanted, MemoryBlobs()),
            "an upload": lambda: client.push_blob(ref, wanted, blobs),
        }
        with pytest.raises(RegistryError):
            calls[verb]()


@contextmanager
def silent(first: bytes = b"", again: bytes = b"") -> Generator[str, None, None]:
    """Something that listens and never gets to TLS; its ``host:port``."""
    over = threading.Event()
    held: list[socket.socket] = []

    def talk(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(first)
            while not over.wait(0.05):
                connection.sendall(again)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                held.append(listener.accept()[0])
                threading.Thread(target=talk, args=(held[-1],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            for connection in held:
                connection.close()


# A TLS record that says it is 16 KiB long, and then comes byte by byte.
@pytest.mark.parametrize(("first", "again"), [(b"", b""), (b"\x16\x03\x03\x40\x00", b"\x02")])
def test_a_handshake_ends(first: bytes, again: bytes) -> None:
    with (
        silent(first, again) as host,
        Client(ClientConfig(retry=ONCE, timeouts=SHORT)) as client,
        pytest.raises(UnreachableError),
    ):
        client.resolve(Reference.parse(f"{host}/app:1"))


@pytest.fixture
def place() -> Generator[Callable[..., RegistryEvidence], None, None]:
    """Evidence of a registry with one signature, within limits."""
    with contextlib.ExitStack() as stack:
        paper = signature(image().descriptor)
        bad = stack.enter_context(hostile())
        bad.referrers_api = True
        bad.put(str(paper.descriptor.digest), paper.manifest)
        for blob in paper.blobs:
            bad.put_blob(blob)

        def make(trick: Callable[[Hostile], None] = lambda registry: None, **limits: float) -> RegistryEvidence:
            trick(bad)
            config = ClientConfig(retry=Retry(attempts=3, base=0.01), limits=Limits(**limits))  # type: ignore[arg-type]
            client = stack.enter_context(Client(config))
            return RegistryEvidence(client, Reference.parse(f"{bad.host}/app"))

        yield make


def gather(source: RegistryEvidence) -> EvidenceCollector:
    collector = EvidenceCollector((image().descriptor,))
    collector.add(source)
    return collector


def test_a_judgement_within_its_bounds(place: Callable[..., RegistryEvidence]) -> None:
    collector = gather(place())
    assert len(collector.claims) == 1
    assert not collector.errors


@pytest.mark.parametrize("limit", ["requests", "bytes", "seconds"])
def test_a_judgement_beyond_a_bound_ends_in_one_line(place: Callable[..., RegistryEvidence], limit: str) -> None:
    collector = gather(place(**{limit: 1 if limit != "seconds" else 0}))
    (error,) = collector.errors
    assert "for one judgement" in error
    assert f"a higher limit '{limit}' allows more" in error


def test_time_for_patience_counts(place: Callable[..., RegistryEvidence]) -> None:
    def busy(registry: Hostile) -> None:
        registry.trick("/referrers/", lambda h: h.answer(429, Retry_After="100"))

    (error,) = gather(place(busy, seconds=60)).errors
    assert "more than 60 seconds for one judgement" in error


def test_a_judgement_goes_on_where_it_left_off(place: Callable[..., RegistryEvidence]) -> None:
    source = place(requests=1)
    with pytest.raises(ExhaustedError), source.budget:
        source.read(Descriptor.of(b"x", LAYER), limit=10)
        source.read(Descriptor.of(b"x", LAYER), limit=10)


def test_a_blob_is_asked_for_once() -> None:
    """Twenty manifests of twenty layers, all of them the same few bytes."""
    import json

    from lading.store.oci.documents import CONFIG, MANIFEST
    from lading.verify.documents.media_types import SIMPLE_SIGNING as SIMPLE

    subject = image().descriptor
    with hostile() as bad, Client() as client:
        bad.referrers_api = True
        bad.put_blob(b"{}")
        layers = [Descriptor.of(b"{}", SIMPLE).json()] * 20
        for number in range(20):
            document = {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": Descriptor.of(b"{}", CONFIG).json(),
                "layers": layers,
                "subject": subject.json(),
                "annotations": {"number": str(number)},
            }
            raw = json.dumps(document).encode()
            bad.put(digest(raw), raw)
        gather(RegistryEvidence(client, Reference.parse(f"{bad.host}/app")))
        assert len(bad.asked("GET .*/manifests/sha256:")) == 20
        assert len(bad.asked("GET .*/blobs/")) == 1
