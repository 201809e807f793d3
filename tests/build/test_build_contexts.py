"""Contexts that are no folder: archives, Dockerfiles alone, URLs, git repositories."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard

from lading.build.context.remote.addresses import repository, web_file
from lading.build.graph.request import Built, ImageContext, PackedContext
from lading.registry.client_config import ClientConfig
from lading.registry.http.transport import HttpxTransport
from lading.store.content.blobs import read_blob
from lading.store.errors import InputError
from lading.verify.documents import bundles
from lading.verify.documents.statements import PROVENANCE, Statement
from lading.verify.keys.keys import PrivateKey
from suites.building import Bench, Key, write
from suites.git_server import git_server
from suites.git_server import repository as make
from suites.machine import needs
from suites.web_server import Page, web_server

pytestmark = needs("root", "overlay", "git")
DOCKERFILE = "FROM scratch\nCOPY . /d/\n"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "store", key=Key(PrivateKey.generate()))
    transport = HttpxTransport(ClientConfig())
    bench.environment = replace(bench.environment, transport=transport)
    yield bench
    transport.close()
    bench.close()


def _provenance(bench: Bench, built: Built) -> dict[str, Any]:
    for descriptor in built.attestations:
        raw = read_blob(bench.store.blobs, bench.manifest(descriptor).layers[0].digest)
        if b"dsseEnvelope" in raw:
            statement = Statement.parse(bundles.parse(raw).envelope.payload)
            if statement.predicate_type == PROVENANCE:
                return dict(statement.predicate)
    raise AssertionError(built)


def _packed(files: dict[str, str], links: dict[str, str] | None = None) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.uid, info.gid = len(text), 0o640, 5, 6
            archive.addfile(info, io.BytesIO(text.encode()))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return made.getvalue()


def _files(bench: Bench, data: bytes, **options: object) -> dict[str, tuple[object, ...]]:
    source = PackedContext("-", lambda: io.BytesIO(data))
    return bench.files(bench.build(Path("/nowhere"), source=source, **options).descriptor)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_archives(bench: Bench, tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    data = pack(_packed({"Dockerfile": DOCKERFILE, "a": "1", "b/c": "2", ".dockerignore": "a\n"}))
    files = _files(bench, data)
    assert files["d/a"] == ("0o100640", 5, 6, b"1")
    assert files["d/b"] == ("0o40755", 0, 0, None)
    assert files["d/b/c"][3] == b"2"
    _files(bench, data)
    assert [report.cached for report in bench.listener.reports] == [True]
    assert not list((tmp_path / "store/cache/work").iterdir())


def test_the_dockerfile_is_one_of_the_archive(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "D").write_text("FROM scratch\nCOPY outside /\n")
    data = _packed({"sub/D": DOCKERFILE, "D": DOCKERFILE, "a": "1"}, {"out": str(tmp_path), "up": "../../../.."})
    assert "d/a" in _files(bench, data, file=Path("sub/D"))
    assert "d/a" in _files(bench, data, file=Path("../../D"))
    assert "d/a" in _files(bench, data, file=Path("/sub/../D"))
    for name in ("out/D", f"up/{tmp_path}/D", "none"):
        with pytest.raises(InputError):
            _files(bench, data, file=Path(name))
    with pytest.raises(InputError, match="Dockerfile: cannot be read"):
        _files(bench, data)


def test_links_of_an_archive_lead_nowhere_else(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    data = _packed({"Dockerfile": "FROM scratch\nCOPY up/secret /\n"}, {"up": str(tmp_path)})
    with pytest.raises(InputError, match='"/up/secret" not found'):
        _files(bench, data)
    escaping = _packed({"Dockerfile": "FROM scratch\n", "up/planted": "x"}, {"up": str(tmp_path)})
    head = _packed({}, {"up": str(tmp_path)})[:512]
    with pytest.raises(InputError):
        _files(bench, head + escaping)
    assert not (tmp_path / "planted").exists()


def test_a_dockerfile_alone(bench: Bench) -> None:
    assert _files(bench, b"FROM scratch\nCOPY <<one /d/\n1\none\n")["d/one"][3] == b"1\n"
    with pytest.raises(InputError, match='"/a" not found'):
        _files(bench, b"FROM scratch\nCOPY a /\n")
    with pytest.raises(InputError, match="neither a folder nor an archive"):
        _files(bench, b"FROM scratch\nCOPY a /\n", file=Path("D"))
    with pytest.raises(InputError):
        _files(bench, bytes(range(256)) * 10)
    with pytest.raises(InputError, match="cannot be unpacked"):
        _files(bench, _packed({"Dockerfile": DOCKERFILE, "a": "1" * 5000})[:3000])


def test_urls(bench: Bench) -> None:
    with web_server() as server:
        server.pages["/context.tar.gz"] = Page(gzip.compress(_packed({"Dockerfile": DOCKERFILE, "a": "1"})))
        server.pages["/Dockerfile"] = Page(b"FROM scratch\nCOPY <<one /d/\n1\none\n")
        for path, name in (("/context.tar.gz", "d/a"), ("/Dockerfile", "d/one")):
            built = bench.build(Path("/nowhere"), source=web_file(server.url + path))
            assert name in bench.files(built.descriptor)
        with pytest.raises(InputError, match="answered 404"):
            bench.build(Path("/nowhere"), source=web_file(f"{server.url}/none"))


def test_repositories(bench: Bench, tmp_path: Path) -> None:
    make(tmp_path / "served/one", {"sub/Dockerfile": DOCKERFILE, "sub/a": "1", "Dockerfile": DOCKERFILE, "b": "2"})
    with git_server(tmp_path / "served") as url:
        for address, expected in ((f"{url}/one", "d/b"), (f"{url}/one#main:sub", "d/a")):
            built = bench.build(Path("/nowhere"), source=repository(address))
            files = bench.files(built.descriptor)
            assert files[expected][:3] == ("0o100644", 0, 0)
            assert not [name for name in files if ".git" in name]
        built = bench.build(
            Path("/nowhere"), source=repository(f"{url}/one"), arguments={"BUILDKIT_CONTEXT_KEEP_GIT_DIR": "1"}
        )
        assert "d/.git/HEAD" in bench.files(built.descriptor)
        with pytest.raises(InputError, match="no branch or tag 'none'"):
            bench.build(Path("/nowhere"), source=repository(f"{url}/one#none"))


def test_named_contexts(bench: Bench, tmp_path: Path) -> None:
    write(tmp_path / "own", {"a": "own"})
    write(tmp_path / "other", {"a": "other", "x.log": "", ".dockerignore": "*.log\n", "sub/b": "b"})
    text = (
        b"FROM lib AS stage\nCOPY a /own\nFROM image:latest\nCOPY --from=lib sub /sub/\nCOPY --from=stage /a /own /s/\n"
    )
    contexts = {"lib": tmp_path / "other", "image": PackedContext("i", lambda: io.BytesIO(_packed({"p": "packed"})))}
    files = bench.files(bench.build(tmp_path / "own", dockerfile=text, contexts=contexts).descriptor)
    assert {name: files[name][3] for name in ("p", "sub/b", "s/a", "s/own")} == {
        "p": b"packed",
        "sub/b": b"b",
        "s/a": b"other",
        "s/own": b"own",
    }
    assert files["p"][1:3] == (5, 6)
    bench.build(tmp_path / "own", dockerfile=b"FROM lib\n", contexts=contexts, names=("localhost/base:latest",))
    assert "x.log" not in bench.files(bench.build(tmp_path / "own", dockerfile=b"FROM base\n").descriptor)
    image = {"lib": ImageContext("base")}
    found = bench.files(bench.build(tmp_path / "own", dockerfile=b"FROM lib\nCOPY a /own\n", contexts=image).descriptor)
    assert (found["a"][3], found["own"][3]) == (b"other", b"own")


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("docker.io/library/base:1", "base:1"),
        ("base", "docker.io/library/base:latest"),
        ("index.docker.io/library/base:latest", "base"),
        ("localhost:5000/a/base", "localhost:5000/a/base:latest"),
    ],
)
def test_a_context_of_an_images_name_is_meant_however_either_is_written(
    bench: Bench, tmp_path: Path, written: str, named: str
) -> None:
    write(tmp_path / "own", {"b": "own"})
    write(tmp_path / "other", {"a": "other"})
    text = f"FROM {written}\nCOPY b /b\n".encode()
    built = bench.build(tmp_path / "own", dockerfile=text, contexts={named: tmp_path / "other"})
    assert {"a", "b"} == set(bench.files(built.descriptor))


def test_a_stage_is_replaced_by_a_context_of_its_name(bench: Bench, tmp_path: Path) -> None:
    write(tmp_path / "own", {"a": "own"})
    write(tmp_path / "other", {"a": "other"})
    text = b"FROM nowhere AS lib\nRUN never\nFROM scratch\nCOPY --from=lib a /\n"
    built = bench.build(tmp_path / "own", dockerfile=text, contexts={"lib": tmp_path / "other"})
    assert bench.files(built.descriptor)["a"][3] == b"other"
    found = _provenance(bench, built)["buildDefinition"]
    assert found["externalParameters"]["contexts"] == {"lib": "files"}
    assert "mount:context:lib" in [one["name"] for one in found["resolvedDependencies"]]
    again = bench.build(tmp_path / "own", dockerfile=text, contexts={"lib": tmp_path / "other"})
    assert again.descriptor == built.descriptor
    assert all(report.cached for report in bench.listener.reports)
    with pytest.raises(InputError, match=r"build-context lib: .*: not a folder"):
        bench.build(tmp_path / "own", dockerfile=text, contexts={"lib": tmp_path / "none"})
