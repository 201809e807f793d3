"""A registry that lies, stalls, redirects and breaks off."""

from __future__ import annotations

import contextlib
import json
import struct
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from lading.registry.client.client import Client
from lading.registry.client_config import ClientConfig, Limits, Retry, Timeouts
from lading.registry.credentials.files import Credential, Given
from lading.registry.errors import (
    BusyError,
    DeniedError,
    NotFoundError,
    ProtocolError,
    RegistryError,
    StatusError,
    UnauthorizedError,
    UnreachableError,
)
from lading.registry.http.budget import Budget
from lading.registry.http.failures import retry_after
from lading.registry.reference import Reference
from lading.store.content.memory import MemoryBlobs
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import CONFIG, INDEX, LAYER, MANIFEST
from lading.verify.evidence.evidence import ExhaustedError
from suites.patience import PATIENCE
from suites.registry_hostile import Handler, Hostile, digest, hostile
from suites.registry_images import noise

RAW = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": Descriptor.of(b"{}", CONFIG).json(),
        "layers": [],
    }
).encode()
QUICK = Retry(attempts=4, base=0.01, cap=1.5)
BIG = noise("big", 1_000_000)


@pytest.fixture
def bad() -> Generator[Hostile, None, None]:
    with hostile() as registry:
        registry.put("1", RAW)
        registry.put_blob(BIG)
        yield registry


@pytest.fixture
def client() -> Generator[Client, None, None]:
    with Client(ClientConfig(retry=QUICK)) as client:
        yield client


def ref(registry: Hostile, name: str = "app:1") -> Reference:
    return Reference.parse(f"{registry.host}/{name}")


def fetch_big(client: Client, registry: Hostile) -> None:
    blobs = MemoryBlobs()
    client.pull_blob(ref(registry), Descriptor.of(BIG, LAYER), blobs)
    assert blobs.size(Digest.of(BIG)) == len(BIG)


# Manifests


def test_an_honest_manifest(bad: Hostile, client: Client) -> None:
    assert client.manifest(ref(bad)) == (Descriptor.of(RAW, MANIFEST), RAW)


def test_other_bytes_than_the_digest_asked_for(bad: Hostile, client: Client) -> None:
    wanted = Digest.of(RAW)
    bad.manifests[str(wanted)] = (MANIFEST, RAW + b" ")
    with pytest.raises(ProtocolError, match="other bytes"):
        client.manifest(ref(bad).at(wanted))


@pytest.mark.parametrize("said", ["sha256:" + "0" * 64, "rubbish", "sha512:" + "0" * 128])
def test_a_digest_header_is_compared_not_believed(bad: Hostile, client: Client, said: str) -> None:
    bad.trick("GET .*/manifests/", lambda h: h.answer(200, RAW, Content_Type=MANIFEST, Docker_Content_Digest=said))
    with pytest.raises(ProtocolError):
        client.manifest(ref(bad))


@pytest.mark.parametrize(
    "kind", [INDEX, "text/html", "application/json", "application/vnd.docker.distribution.manifest.v1+json"]
)
def test_a_wrong_content_type(bad: Hostile, client: Client, kind: str) -> None:
    bad.trick("GET .*/manifests/", lambda h: h.answer(200, RAW, Content_Type=kind))
    with pytest.raises(ProtocolError):
        client.manifest(ref(bad))


def test_a_content_type_with_parameters_is_right(bad: Hostile, client: Client) -> None:
    bad.trick("GET .*/manifests/", lambda h: h.answer(200, RAW, Content_Type=f"{MANIFEST}; charset=utf-8"))
    assert client.manifest(ref(bad))[1] == RAW


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"\xff", b'{"schemaVersion":1}', RAW[:-1], b"[" * 100_000])
def test_a_broken_manifest(bad: Hostile, client: Client, raw: bytes) -> None:
    bad.put("1", raw)
    with pytest.raises(ProtocolError):
        client.manifest(ref(bad))


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", MANIFEST)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
    except OSError:
        handler.close_connection = True


def dribbling(handler: Handler) -> None:
    """A byte at a time, for as long as the client stays."""
    handler.send_response(200)
    handler.send_header("Content-Type", MANIFEST)
    handler.send_header("Content-Length", str(len(BIG)))
    handler.end_headers()
    handler.close_connection = True
    with contextlib.suppress(OSError):
        while not handler.is_left(0.05):
            handler.wfile.write(b" ")


def test_an_endless_manifest(bad: Hostile, client: Client) -> None:
    bad.trick("GET .*/manifests/", endless)
    with pytest.raises(ProtocolError, match="more than"):
        client.manifest(ref(bad))


def test_a_manifest_that_dribbles(bad: Hostile) -> None:
    bad.trick("GET .*/manifests/", dribbling)
    with (
        Client(ClientConfig(timeouts=Timeouts(document=0.3))) as client,
        pytest.raises(UnreachableError, match="not complete"),
    ):
        client.manifest(ref(bad))


def test_no_answer_at_all(bad: Hostile) -> None:
    over = threading.Event()
    bad.trick("GET .*/manifests/", lambda h: over.wait(PATIENCE))
    try:
        with (
            Client(ClientConfig(retry=Retry(attempts=1), timeouts=Timeouts(read=0.3))) as client,
            pytest.raises(UnreachableError, match="no answer in time"),
        ):
            client.manifest(ref(bad))
    finally:
        over.set()


def test_not_found_says_what_and_where(bad: Hostile, client: Client) -> None:
    with pytest.raises(NotFoundError, match=r"app:2: not found: MANIFEST_UNKNOWN") as missing:
        client.manifest(ref(bad, "app:2"))
    assert missing.value.codes == ("MANIFEST_UNKNOWN",)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"errors":"x"}', b'{"errors":[1]}', b'{"errors":[{"code":7}]}', b"x" * 200_000]
)
def test_an_error_with_any_body_is_still_an_error(bad: Hostile, client: Client, body: bytes) -> None:
    bad.trick("GET .*/manifests/", lambda h: h.answer(403, body))
    with pytest.raises(DeniedError, match="refused"):
        client.manifest(ref(bad))


# Patience


def test_a_busy_registry_is_asked_again(bad: Hostile, client: Client) -> None:
    bad.trick("GET .*/manifests/", lambda h: h.answer(429, Retry_After="1"), times=1)
    client.manifest(ref(bad))
    assert len(bad.asked("manifests")) == 2


def test_a_busy_registry_is_waited_for_as_long_as_it_asks(bad: Hostile, client: Client) -> None:
    assert client.session(bad.host).pause(1, 100) == 100
    bad.trick("GET .*/manifests/", lambda h: h.answer(429, Retry_After="100"))
    with pytest.raises(ExhaustedError, match="60 seconds"), Budget(Limits(seconds=60)):
        client.manifest(ref(bad))
    assert len(bad.asked("manifests")) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_stumbling_registry_is_asked_again(bad: Hostile, client: Client, status: int) -> None:
    bad.trick("GET .*/manifests/", lambda h: h.answer(status), times=2)
    client.manifest(ref(bad))


def test_patience_ends(bad: Hostile, client: Client) -> None:
    bad.trick("GET .*/manifests/", lambda h: h.answer(429))
    with pytest.raises(BusyError):
        client.manifest(ref(bad))
    assert len(bad.asked("manifests")) == QUICK.attempts


def test_nobody_waits_for_hours(bad: Hostile, client: Client) -> None:
    bad.trick("GET .*/manifests/", lambda h: h.answer(429, Retry_After="7200"))
    with pytest.raises(BusyError, match="7200 seconds"):
        client.manifest(ref(bad))


def test_a_connection_reset_is_tried_again(bad: Hostile, client: Client) -> None:
    bad.trick("GET .*/manifests/", Handler.cut, times=2)
    client.manifest(ref(bad))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("5", 5),
        ("", None),
        (None, None),
        ("soon", None),
        ("-1", None),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0),
        ("٣", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after(header) == seconds


# Blobs


def test_an_honest_blob(bad: Hostile, client: Client) -> None:
    fetch_big(client, bad)


def test_other_bytes_in_a_blob(bad: Hostile, client: Client) -> None:
    bad.blobs[digest(BIG)] = BIG[:-1] + b"?"
    with pytest.raises(ProtocolError, match="other bytes"):
        fetch_big(client, bad)


@pytest.mark.parametrize("data", [BIG + b"?", BIG[:-1], b""])
def test_a_blob_of_another_length(bad: Hostile, client: Client, data: bytes) -> None:
    bad.blobs[digest(BIG)] = data
    with pytest.raises(ProtocolError, match="descriptor says"):
        fetch_big(client, bad)


def test_an_endless_blob(bad: Hostile, client: Client) -> None:
    bad.trick("GET .*/blobs/", endless)
    with pytest.raises(ProtocolError, match="longer"):
        fetch_big(client, bad)


def breaks_after(count: int) -> object:
    def trick(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(BIG)))
        handler.end_headers()
        handler.wfile.write(BIG[:count])
        handler.cut()

    return trick


def test_a_blob_that_breaks_off_is_resumed(bad: Hostile, client: Client) -> None:
    bad.trick("GET .*/blobs/", breaks_after(400_000), times=1)  # type: ignore[arg-type]
    fetch_big(client, bad)
    ranges = [seen.headers.get("Range") for seen in bad.asked("GET .*/blobs/")]
    assert ranges[0] is None
    assert ranges[1] is not None
    assert ranges[1].startswith("bytes=")


def test_a_registry_that_ignores_ranges_sends_it_all_again(bad: Hostile, client: Client) -> None:
    bad.trick("GET .*/blobs/", lambda h: h.answer(200, BIG))
    bad.trick("GET .*/blobs/", breaks_after(400_000), times=1)  # type: ignore[arg-type]
    fetch_big(client, bad)


def test_another_range_than_asked_for(bad: Hostile, client: Client) -> None:
    bad.trick("GET .*/blobs/", lambda h: h.answer(206, BIG[5:], Content_Range=f"bytes 5-{len(BIG) - 1}/{len(BIG)}"))
    bad.trick("GET .*/blobs/", breaks_after(400_000), times=1)  # type: ignore[arg-type]
    with pytest.raises(ProtocolError, match="asked for bytes"):
        fetch_big(client, bad)


def test_a_blob_that_never_comes_further(bad: Hostile, client: Client) -> None:
    bad.trick("GET .*/blobs/", breaks_after(0))  # type: ignore[arg-type]
    with pytest.raises(UnreachableError):
        fetch_big(client, bad)
    assert len(bad.asked("GET .*/blobs/")) <= QUICK.attempts * QUICK.attempts


def test_a_blob_that_dribbles(bad: Hostile) -> None:
    bad.trick("GET .*/blobs/", dribbling)
    with (
        Client(ClientConfig(retry=Retry(attempts=1), timeouts=Timeouts(stall=0.3))) as client,
        pytest.raises(UnreachableError, match=r"only \d+ bytes in"),
    ):
        client.pull_blob(ref(bad), Descriptor.of(BIG, LAYER), MemoryBlobs())


def test_an_empty_blob(bad: Hostile, client: Client) -> None:
    bad.put_blob(b"")
    blobs = MemoryBlobs()
    client.pull_blob(ref(bad), Descriptor.of(b"", LAYER), blobs)
    assert blobs.size(Digest.of(b"")) == 0


def test_a_small_blob_within_its_limit(bad: Hostile, client: Client) -> None:
    bad.put_blob(b"{}")
    assert client.blob(ref(bad), Descriptor.of(b"{}", CONFIG), limit=2) == b"{}"
    with pytest.raises(ProtocolError, match="allowed here"):
        client.blob(ref(bad), Descriptor.of(b"{}", CONFIG), limit=1)


# Redirects


def logged_in(registry: Hostile) -> Client:
    given = Given(registry.host, Credential("ada", "secret-word"))
    return Client(ClientConfig(credentials=given, retry=QUICK))


def ask_basic(handler: Handler) -> None:
    if handler.headers.get("Authorization"):
        handler.honest(handler.registry.seen[-1])
    else:
        handler.answer(401, WWW_Authenticate='Basic realm="x"')


def test_a_login_stays_with_its_host(bad: Hostile) -> None:
    with hostile() as other:
        other.put_blob(BIG)

        def away(handler: Handler) -> None:
            if not handler.headers.get("Authorization"):
                return handler.answer(401, WWW_Authenticate='Basic realm="x"')
            return handler.answer(307, Location=f"{other.url}{handler.path}")

        bad.trick("GET .*/blobs/", away)
        with logged_in(bad) as client:
            fetch_big(client, bad)
        assert other.seen
        assert all("Authorization" not in seen.headers and "Cookie" not in seen.headers for seen in other.seen)
        assert any("Authorization" in seen.headers for seen in bad.seen)


def test_a_login_stays_with_its_host_on_uploads(bad: Hostile) -> None:
    with hostile() as other:
        other.uploads["9"] = bytearray()
        bad.trick("", ask_basic)
        bad.trick("POST .*/uploads/", lambda h: h.answer(202, Location=f"{other.url}/v2/app/blobs/uploads/9")
                  if h.headers.get("Authorization") else h.answer(401, WWW_Authenticate='Basic realm="x"'))  # fmt: skip
        blobs = MemoryBlobs()
        with blobs.writer() as writer:
            writer.write(b"mine")
            writer.commit()
        with logged_in(bad) as client:
            client.push_blob(ref(bad), Descriptor.of(b"mine", LAYER), blobs)
        assert digest(b"mine") in other.blobs
        assert all("Authorization" not in seen.headers for seen in other.seen)


def test_redirects_end(bad: Hostile, client: Client) -> None:
    bad.trick("GET .*/blobs/", lambda h: h.answer(307, Location=h.path))
    with pytest.raises(ProtocolError, match="redirects"):
        fetch_big(client, bad)


@pytest.mark.parametrize(
    "location", ["", "file:///etc/passwd", "ftp://example.com/", "http://u:p@example.com/", "http://[", "//"]
)
def test_redirects_lead_to_the_web(bad: Hostile, client: Client, location: str) -> None:
    bad.trick("GET .*/blobs/", lambda h: h.answer(307, Location=location))
    with pytest.raises(ProtocolError):
        fetch_big(client, bad)


# Logins


def test_a_wrong_password_is_said(bad: Hostile) -> None:
    bad.trick("", lambda h: h.answer(401, WWW_Authenticate='Basic realm="x"'))
    with logged_in(bad) as client, pytest.raises(UnauthorizedError, match="did not accept the login"):
        client.manifest(ref(bad))


def test_a_missing_password_is_said(bad: Hostile, client: Client) -> None:
    bad.trick("", lambda h: h.answer(401, WWW_Authenticate='Basic realm="x"'))
    with pytest.raises(UnauthorizedError, match="wants a login") as refused:
        client.manifest(ref(bad))
    assert refused.value.hint == f"log in to {bad.host}"


def test_a_connection_is_free_again_when_a_login_is_missing(bad: Hostile, client: Client) -> None:
    bad.trick("", lambda h: h.answer(401, b"no", WWW_Authenticate='Basic realm="x"'))
    for _ in range(client.config.parallel + 5):  # one more than the client has connections
        with pytest.raises(UnauthorizedError, match="wants a login"):
            client.manifest(ref(bad))


@pytest.mark.parametrize("header", ["", "Negotiate", "Digest realm=x", 'Bearer realm="', "\x01"])
def test_a_login_of_another_kind(bad: Hostile, client: Client, header: str) -> None:
    bad.trick("", lambda h: h.answer(401, WWW_Authenticate=header))
    with pytest.raises(RegistryError):
        client.manifest(ref(bad))


@pytest.mark.parametrize(
    "realm", ["file:///etc/passwd", "http://example.com/token", "ftp://example.com", "", "/token", "http://a b/"]
)
def test_a_password_goes_to_no_such_token_service(bad: Hostile, realm: str) -> None:
    bad.trick("GET .*/manifests/", lambda h: h.answer(401, WWW_Authenticate=f'Bearer realm="{realm}",service="s"'))
    with logged_in(bad) as client, pytest.raises(RegistryError):
        client.manifest(ref(bad))


def token_flow(registry: Hostile, service: Hostile, token: str = "tok") -> None:
    def guarded(handler: Handler) -> None:
        if handler.headers.get("Authorization") == f"Bearer {token}":
            handler.honest(handler.registry.seen[-1])
        else:
            scope = "repository:app:pull"
            handler.answer(401, WWW_Authenticate=f'Bearer realm="{service.url}/token",service="reg",scope="{scope}"')

    registry.trick("", guarded)


def test_the_token_flow(bad: Hostile) -> None:
    with hostile() as service:
        token_flow(bad, service)
        service.trick("GET /token", lambda h: h.answer(200, b'{"token":"tok","expires_in":300}'))
        with logged_in(bad) as client:
            client.manifest(ref(bad))
            client.manifest(ref(bad))
        (asked,) = service.asked("/token")
        assert "service=reg" in asked.path
        assert "scope=repository%3Aapp%3Apull" in asked.path
        assert asked.headers["Authorization"].startswith("Basic ")


def test_a_token_that_ended_is_fetched_again(bad: Hostile) -> None:
    with hostile() as service:
        token_flow(bad, service, "second")
        service.trick("GET /token", lambda h: h.answer(200, b'{"access_token":"second"}'))
        service.trick("GET /token", lambda h: h.answer(200, b'{"token":"first"}'), times=1)
        with Client() as client:
            with pytest.raises(UnauthorizedError):
                client.manifest(ref(bad))
            client.manifest(ref(bad))


def test_an_identity_token_is_posted(bad: Hostile) -> None:
    with hostile() as service:
        token_flow(bad, service)
        bodies: list[bytes] = []

        def exchange(handler: Handler) -> None:
            bodies.append(handler.body())
            handler.answer(200, b'{"access_token":"tok"}')

        service.trick("POST /token", exchange)
        given = Given(bad.host, Credential(identity_token="refresh-me"))
        with Client(ClientConfig(credentials=given)) as client:
            client.manifest(ref(bad))
        assert b"grant_type=refresh_token" in bodies[0]
        assert b"refresh_token=refresh-me" in bodies[0]


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b'{"token":""}', b'{"token":"a b"}', b'{"token":"a\\r\\nX: y"}', b'{"token":1}', b"x" * 300_000],
)
def test_a_token_service_that_talks_nonsense(bad: Hostile, body: bytes) -> None:
    with hostile() as service:
        token_flow(bad, service)
        service.trick("/token", lambda h: h.answer(200, body))
        with Client() as client, pytest.raises(RegistryError):
            client.manifest(ref(bad))


# Uploads


def store_blob(data: bytes) -> tuple[MemoryBlobs, Descriptor]:
    blobs = MemoryBlobs()
    with blobs.writer() as writer:
        writer.write(data)
        writer.commit()
    return blobs, Descriptor.of(data, LAYER)


def push_new(client: Client, registry: Hostile, data: bytes = noise("new", 700_000)) -> str:
    blobs, descriptor = store_blob(data)
    outcome = client.push_blob(ref(registry), descriptor, blobs)
    assert registry.blobs[str(descriptor.digest)] == data
    return outcome


def test_an_upload_is_one_post_and_one_put(bad: Hostile, client: Client) -> None:
    assert push_new(client, bad) == "pushed"
    assert push_new(client, bad) == "exists"
    assert [seen.method for seen in bad.asked("uploads")] == ["POST", "PUT"]


def half_then_cut(handler: Handler) -> None:
    upload = handler.registry.uploads[handler.path.partition("?")[0].rpartition("/")[2]]
    upload += handler.rfile.read(int(handler.headers["Content-Length"]) // 2)
    handler.cut()


def test_a_broken_upload_goes_on_where_it_stopped(bad: Hostile, client: Client) -> None:
    bad.trick("PUT .*/uploads/", half_then_cut, times=1)
    assert push_new(client, bad) == "pushed"
    (patch,) = bad.asked("PATCH")
    assert patch.headers["Content-Range"] == "350000-699999"


def test_a_piece_that_breaks_goes_on_where_it_stopped(bad: Hostile) -> None:
    bad.trick("PUT .*/uploads/", lambda h: h.answer(413), times=1)
    bad.trick("PATCH .*/uploads/", half_then_cut, times=2)
    with Client(ClientConfig(retry=QUICK, chunk=300_000)) as client:
        assert push_new(client, bad) == "pushed"
    assert len(bad.asked("PATCH")) > 3


def test_an_upload_that_was_forgotten_begins_anew(bad: Hostile, client: Client) -> None:
    def forget(handler: Handler) -> None:
        handler.registry.uploads.clear()
        handler.registry.uploads["forgotten"] = bytearray()
        handler.cut()

    bad.trick("PUT .*/uploads/", forget, times=1)
    assert push_new(client, bad) == "pushed"
    assert len(bad.asked("POST")) == 2


@pytest.mark.parametrize("size", [0, 1, 2])
def test_tiny_blobs_in_pieces(bad: Hostile, client: Client, size: int) -> None:
    bad.trick("PUT .*/uploads/", Handler.cut, times=1)
    assert push_new(client, bad, b"ab"[:size]) == "pushed"


def test_an_upload_that_never_succeeds_ends(bad: Hostile, client: Client) -> None:
    bad.trick("PUT .*/uploads/", Handler.cut)
    bad.trick("PATCH .*/uploads/", Handler.cut)
    with pytest.raises(UnreachableError):
        push_new(client, bad)


@pytest.mark.parametrize("said", ["0-9999999", "rubbish", "5-6", "0-0"])
def test_a_registry_that_miscounts(bad: Hostile, client: Client, said: str) -> None:
    def miscount(handler: Handler) -> None:
        handler.body()
        handler.answer(202, Location=handler.path, Range=said)

    bad.trick("PUT .*/uploads/", lambda h: h.answer(413))
    bad.trick("PATCH .*/uploads/", miscount)
    with pytest.raises((ProtocolError, StatusError)):
        push_new(client, bad)


def test_a_refused_upload_is_not_tried_in_pieces(bad: Hostile, client: Client) -> None:
    bad.trick("PUT .*/uploads/", lambda h: h.answer(403))
    with pytest.raises(DeniedError):
        push_new(client, bad)
    assert not bad.asked("PATCH")


def test_an_upload_without_a_location(bad: Hostile, client: Client) -> None:
    bad.trick("POST .*/uploads/", lambda h: h.answer(202))
    with pytest.raises(ProtocolError, match="without saying where"):
        push_new(client, bad)


def test_a_location_may_have_a_query(bad: Hostile, client: Client) -> None:
    bad.trick(r"PUT .*\?state=x&digest=", lambda h: h._receive(h.path, h.registry.uploads["q"]))
    bad.trick("POST .*/uploads/", lambda h: (h.registry.uploads.update(q=bytearray()),
                                             h.answer(202, Location="/v2/app/blobs/uploads/q?state=x"))[1])  # fmt: skip
    assert push_new(client, bad) == "pushed"


def test_a_mount_is_no_upload(bad: Hostile, client: Client) -> None:
    blobs, descriptor = store_blob(b"shared")
    bad.trick(r"POST .*mount=", lambda h: h.answer(201, Location="/"))
    assert client.push_blob(ref(bad), descriptor, blobs, mount_from=["other"]) == "mounted"
    assert "from=other" in bad.asked("POST")[0].path


def test_a_mount_that_is_not_granted_is_an_upload(bad: Hostile, client: Client) -> None:
    blobs, descriptor = store_blob(b"shared")
    assert client.push_blob(ref(bad), descriptor, blobs, mount_from=["other"]) == "pushed"
    assert len(bad.asked("POST")) == 1


def test_a_blob_that_rotted_here_is_not_pushed(bad: Hostile, tmp_path: Path, client: Client) -> None:
    from lading.store.content.files import FileBlobs
    from lading.store.errors import DocumentError

    blobs = FileBlobs(tmp_path)
    with blobs.writer() as writer:
        writer.write(b"right")
        wanted = writer.commit()
    blobs.path(wanted).chmod(0o600)
    blobs.path(wanted).write_bytes(b"wrong")
    with pytest.raises(DocumentError):
        client.push_blob(ref(bad), Descriptor(LAYER, wanted, 5), blobs)
    assert str(wanted) not in bad.blobs


# Lists


def test_tags_come_in_pages(bad: Hostile, client: Client) -> None:
    bad.trick("tags/list", lambda h: h.answer(200, b'{"name":"app","tags":["c"]}'))
    bad.trick(
        r"tags/list\?n=1000$",
        lambda h: h.answer(200, b'{"name":"app","tags":["a","b"]}', Link='</v2/app/tags/list?n=2&last=b>; rel="next"'),
    )
    assert client.tags(ref(bad)) == ["a", "b", "c"]


def test_a_repository_without_tags(bad: Hostile, client: Client) -> None:
    bad.trick("tags/list", lambda h: h.answer(200, b'{"name":"app","tags":null}'))
    assert client.tags(ref(bad)) == []


@pytest.mark.parametrize(
    "link", ['</v2/app/tags/list?n=1000&x>; rel="next"', '<https://example.com/>; rel="next"', "<file:///>; rel=next"]
)
def test_pages_that_lead_astray(bad: Hostile, client: Client, link: str) -> None:
    bad.trick("tags/list", lambda h: h.answer(200, b'{"tags":[]}', Link=link))
    with pytest.raises(ProtocolError):
        client.tags(ref(bad))


def referrer(word: str, kind: str = "application/x") -> dict[str, object]:
    return {**Descriptor.of(word.encode(), MANIFEST).json(), "artifactType": kind, "annotations": {"word": word}}


def index(*entries: dict[str, object]) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(entries)}).encode()


SUBJECT = Digest.of(RAW)


def test_referrers_come_in_pages_and_are_filtered_here(bad: Hostile, client: Client) -> None:
    first, second, third = referrer("a"), referrer("b", "application/y"), referrer("c")
    bad.trick("/referrers/", lambda h: h.answer(200, index(third, first), Content_Type=INDEX))
    link = '<?page=2>; rel="next"'
    bad.trick(f"/referrers/{SUBJECT}(\\?artifactType.*)?$",
              lambda h: h.answer(200, index(first, second), Content_Type=INDEX, Link=link))  # fmt: skip
    everything = client.referrers(ref(bad), SUBJECT)
    assert [item.annotations["word"] for item in everything] == ["a", "b", "c"]
    assert [item.annotations["word"] for item in client.referrers(ref(bad), SUBJECT, "application/y")] == ["b"]


def test_no_referrers_api_and_no_tag_is_none(bad: Hostile, client: Client) -> None:
    assert client.referrers(ref(bad), SUBJECT) == ()


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_an_error_is_never_none_found(bad: Hostile, client: Client, status: int) -> None:
    bad.trick("/referrers/", lambda h: h.answer(status))
    with pytest.raises(RegistryError):
        client.referrers(ref(bad), SUBJECT)


@pytest.mark.parametrize("body", [RAW, b"{}", b"[]"])
def test_referrers_that_are_no_index(bad: Hostile, client: Client, body: bytes) -> None:
    bad.trick("/referrers/", lambda h: h.answer(200, body, Content_Type=INDEX))
    with pytest.raises(ProtocolError):
        client.referrers(ref(bad), SUBJECT)


def test_a_poisoned_tag_is_an_error(bad: Hostile, client: Client) -> None:
    bad.put(f"sha256-{SUBJECT.hex}", RAW)
    with pytest.raises(ProtocolError):
        client.referrers(ref(bad), SUBJECT)


def test_the_stand_in_tag_keeps_what_others_wrote(bad: Hostile, client: Client) -> None:
    theirs = {**referrer("theirs"), "data": "e30=", "com.example.extra": 1}
    bad.put(f"sha256-{SUBJECT.hex}", index(theirs), INDEX)
    mine = Descriptor.parse(referrer("mine"), "mine")
    assert client.publish_referrers(ref(bad), SUBJECT, [mine]) == ()
    written = json.loads(bad.manifests[f"sha256-{SUBJECT.hex}"][1])
    assert written["manifests"] == [theirs, mine.json()]


def test_the_stand_in_tag_is_written_again_after_a_race(bad: Hostile, client: Client) -> None:
    tag = f"sha256-{SUBJECT.hex}"
    mine, theirs = referrer("mine"), referrer("theirs")

    def raced(handler: Handler) -> None:
        handler.honest(handler.registry.seen[-1])
        bad.put(tag, index(theirs), INDEX)  # somebody who read before we wrote

    bad.trick(f"PUT .*/manifests/{tag}", raced, times=1)
    client.publish_referrers(ref(bad), SUBJECT, [Descriptor.parse(mine, "mine")])
    assert {item.annotations["word"] for item in client.referrers(ref(bad), SUBJECT)} == {"mine", "theirs"}


def test_a_registry_with_conditions_is_asked_under_them(bad: Hostile, client: Client) -> None:
    tag = f"sha256-{SUBJECT.hex}"
    bad.trick(
        f"GET .*/manifests/{tag}",
        lambda h: h.answer(200, index(referrer("theirs")), Content_Type=INDEX, ETag='"one"'),
        times=1,
    )
    bad.trick(f"PUT .*/manifests/{tag}", lambda h: (h.body(), h.answer(412))[1], times=1)
    client.publish_referrers(ref(bad), SUBJECT, [Descriptor.parse(referrer("mine"), "mine")])
    first, second = bad.asked(f"PUT .*/manifests/{tag}")
    assert first.headers["If-Match"] == '"one"'
    assert second.headers["If-None-Match"] == "*"


def test_nothing_listens() -> None:
    with (
        Client(ClientConfig(retry=Retry(attempts=1))) as client,
        pytest.raises(UnreachableError, match="cannot be reached"),
    ):
        client.manifest(Reference.parse("127.0.0.1:1/app"))


def test_a_tcp_reset_constant_is_what_linux_wants() -> None:
    assert struct.pack("ii", 1, 0) == b"\x01\0\0\0\0\0\0\0"
