"""ADD of http and https: fetched once, asked whether it changed, held to its checksum, recorded without passwords."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lading.build.context.remote.addresses import web_file
from lading.build.errors import DockerfileError
from lading.build.graph.request import Built
from lading.registry.client_config import ClientConfig
from lading.registry.http.transport import HttpxTransport
from lading.store.archives.layer_limits import Limits
from lading.store.content.blobs import read_blob
from lading.verify.documents import bundles
from lading.verify.documents.statements import PROVENANCE, Statement
from lading.verify.keys.keys import PrivateKey
from suites.building import Bench, Key
from suites.copies import archive
from suites.machine import needs
from suites.web_server import Page, WebServer, web_server

pytestmark = needs("root", "overlay")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "store", key=Key(PrivateKey.generate()))
    transport = HttpxTransport(ClientConfig())
    bench.environment = replace(bench.environment, transport=transport)
    (tmp_path / "context").mkdir()
    yield bench
    transport.close()
    bench.close()


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


def _files(bench: Bench, tmp_path: Path, line: str) -> dict[str, tuple[object, ...]]:
    text = f"FROM scratch\n{line}\n".encode()
    return bench.files(bench.build(tmp_path / "context", dockerfile=text).descriptor)


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_a_file_is_fetched_and_asked_for_again(bench: Bench, server: WebServer, tmp_path: Path) -> None:
    server.pages["/a/b.txt?x=1"] = Page(b"one", headers={"ETag": '"1"'})
    line = f"ADD {server.url}/a/b.txt?x=1 /d/"
    assert _files(bench, tmp_path, line)["d/b.txt"] == ("0o100600", 0, 0, b"one")
    assert _files(bench, tmp_path, line)["d/b.txt"][3] == b"one"
    assert server.asked[1][1]["if-none-match"] == '"1"'
    assert [report.cached for report in bench.listener.reports] == [True]
    server.pages["/a/b.txt?x=1"] = Page(b"two", headers={"ETag": '"2"'})
    assert _files(bench, tmp_path, line)["d/b.txt"][3] == b"two"
    assert [report.cached for report in bench.listener.reports] == [False]
    server.pages["/a/b.txt?x=1"] = Page(b"two", headers={"Last-Modified": "Sat, 01 Jan 2000 00:00:00 GMT"})
    _files(bench, tmp_path, line)
    assert [report.cached for report in bench.listener.reports] == [True]
    _files(bench, tmp_path, line)
    assert server.asked[-1][1]["if-modified-since"] == "Sat, 01 Jan 2000 00:00:00 GMT"


def test_with_its_checksum_nobody_is_asked_again(bench: Bench, server: WebServer, tmp_path: Path) -> None:
    server.pages["/f"] = Page(b"one")
    line = f"ADD --checksum={_sha256(b'one')} --chmod=u+x --chown=5:6 {server.url}/f /g"
    for _ in range(2):
        assert _files(bench, tmp_path, line)["g"] == ("0o100700", 5, 6, b"one")
    assert len(server.asked) == 1


def test_a_checksum_that_lies_keeps_nothing(bench: Bench, server: WebServer, tmp_path: Path) -> None:
    server.pages["/f"] = Page(b"other")
    with pytest.raises(
        DockerfileError, match=rf"Dockerfile:2: ADD: .*/f: is {_sha256(b'other')}, not sha256:"
    ) as caught:
        _files(bench, tmp_path, f"ADD --checksum={_sha256(b'one')} {server.url}/f /")
    assert caught.value.hint
    assert list(bench.store.blobs) == []
    assert not list((tmp_path / "store/tmp").iterdir())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ADD --checksum=sha256:12 http://localhost/f /", "--checksum=sha256:12: expected sha256: and 64"),
        (f"ADD --checksum=sha256:{'0' * 64} http://localhost/f http://localhost/g /", "--checksum is for one source"),
        ("COPY http://localhost/f /", "COPY: a source is a URL"),
        ("ADD http://:80/f /", "ADD: not a URL"),
        ("ADD http://localhost:99999/f /", "ADD: not a URL"),
    ],
)
def test_refusals(bench: Bench, tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DockerfileError, match=message):
        _files(bench, tmp_path, line)


def test_redirects(bench: Bench, server: WebServer, tmp_path: Path) -> None:
    server.pages["/old"] = Page(status=302, headers={"Location": "/new"})
    server.pages["/new"] = Page(b"here")
    server.pages["/round"] = Page(status=301, headers={"Location": "/round"})
    server.pages["/link-local"] = Page(status=302, headers={"Location": "http://169.254.169.254/secret"})
    assert _files(bench, tmp_path, f"ADD {server.url}/old /d/")["d/old"][3] == b"here"
    with pytest.raises(DockerfileError, match="leads to more than 10"):
        _files(bench, tmp_path, f"ADD {server.url}/round /")
    with pytest.raises(Exception, match=r"Dockerfile:2: .*link-local"):
        _files(bench, tmp_path, f"ADD {server.url}/link-local /")
    with pytest.raises(DockerfileError, match="answered 404"):
        _files(bench, tmp_path, f"ADD {server.url}/none /")


def test_what_breaks_off_is_taken_up_again(bench: Bench, server: WebServer, tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    server.pages["/f"] = Page(content, headers={"ETag": '"1"'}, broken=1000)
    assert _files(bench, tmp_path, f"ADD {server.url}/f /f")["f"][3] == content
    assert [given.get("range") for _, given in server.asked] == [None, "bytes=1000-"]
    server.pages["/g"] = Page(content, broken=1000)
    with pytest.raises(Exception, match="Dockerfile:2: "):
        _files(bench, tmp_path, f"ADD {server.url}/g /")


def test_an_archive_is_unpacked_where_it_is_said(bench: Bench, server: WebServer, tmp_path: Path) -> None:
    server.pages["/t.tar"] = Page(archive())
    assert set(_files(bench, tmp_path, f"ADD {server.url}/t.tar /")) == {"t.tar"}
    assert set(_files(bench, tmp_path, f"ADD --unpack {server.url}/t.tar /d/")) >= {"d/in/one.txt", "d/in/two.md"}


def test_the_order_of_sources_is_kept(bench: Bench, server: WebServer, tmp_path: Path) -> None:
    server.pages["/f"] = Page(b"fetched")
    (tmp_path / "context/f").write_text("local")
    assert _files(bench, tmp_path, f"ADD f {server.url}/f /d/")["d/f"][3] == b"fetched"
    assert _files(bench, tmp_path, f"ADD {server.url}/f f /d/")["d/f"][3] == b"local"


def test_a_size_beyond_the_limit(bench: Bench, server: WebServer, tmp_path: Path) -> None:
    bench.store._max_layer = 1000
    assert bench.store.limits == Limits(size=1000)
    server.pages["/f"] = Page(b"x" * 1001)
    with pytest.raises(DockerfileError, match="more than the 1000 bytes allowed"):
        _files(bench, tmp_path, f"ADD {server.url}/f /")


def test_users_and_passwords_are_sent_and_not_recorded(bench: Bench, server: WebServer, tmp_path: Path) -> None:
    server.pages["/f"] = Page(b"one")
    server.pages["/away"] = Page(status=302, headers={"Location": server.url.replace("127.0.0.1", "localhost") + "/f"})
    address = server.url.replace("http://", "http://me:s%3Ecret@")
    text = b"FROM scratch\nARG URL\nADD $URL /f\n"
    built = bench.build(tmp_path / "context", dockerfile=text, arguments={"URL": f"{address}/away"})
    assert [given.get("authorization") for _, given in server.asked] == ["Basic bWU6cz5jcmV0", None]
    found = _provenance(bench, built)["buildDefinition"]["resolvedDependencies"]
    assert [one for one in found if one["name"] != "dockerfile"] == [
        {
            "name": f"url:{server.url}/away",
            "uri": f"{server.url}/away",
            "digest": {"sha256": hashlib.sha256(b"one").hexdigest()},
        }
    ]
    rows = bench.store.index.all("SELECT key, value FROM cache WHERE kind = 'download'")
    assert rows
    assert "cret" not in repr(rows)
    assert b"cret" not in bench.manifest(built.descriptor).raw
    history = bench.store.config(bench.manifest(built.descriptor)).raw
    assert f"ADD {server.url}/away /f".encode() in history
    kept = [read_blob(bench.store.blobs, digest) for digest in bench.store.blobs]
    shown = [bundles.parse(raw).envelope.payload for raw in kept if b"dsseEnvelope" in raw]
    assert shown
    assert not [raw for raw in [*kept, *shown] if b"ADD http://me" in raw]


def _provenance(bench: Bench, built: Built) -> dict[str, Any]:
    for descriptor in built.attestations:
        manifest = bench.manifest(descriptor)
        raw = read_blob(bench.store.blobs, manifest.layers[0].digest)
        statement = Statement.parse(bundles.parse(raw).envelope.payload)
        if statement.predicate_type == PROVENANCE:
            return dict(statement.predicate)
    raise AssertionError(built)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://localhost", "__unnamed__"),
        ("http://localhost/", "__unnamed__"),
        ("http://localhost/a/..", "__unnamed__"),
        ("http://localhost/a%2Fb", "b"),
        ("http://localhost/a b", None),
        ("https://localhost/a/b/?q=/c#d", "b"),
        ("https://localhost/a.git", None),
        ("ftp://localhost/a", None),
    ],
)
def test_names(url: str, name: str | None) -> None:
    if " " in url:
        with pytest.raises(ValueError, match="not a URL"):
            web_file(url)
        return
    found = web_file(url)
    assert (found and found.name) == name
