"""A server that is killed, filled up, kept waiting, and cleaned while it is used."""

from __future__ import annotations

import os
import random
import re
import select
import shutil
import socket
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from lading.registry.server.api_errors import ApiError
from lading.registry.server.storage.catalog import Catalog
from lading.registry.server.storage.gc import BLOB_LIFE, GRACE, UPLOAD_LIFE, collect
from lading.registry.server.storage.storage_folder import Storage
from lading.store.oci.digests import Digest
from suites.patience import PATIENCE, until
from suites.registry_api import MANIFEST, Repository, code_of, digest_of, manifest
from suites.registry_server import running_server, start_server

ALL = max(BLOB_LIFE, GRACE, UPLOAD_LIFE) + 60


def connect(address: str) -> Repository:
    return Repository(httpx.Client(base_url=f"http://{address}", trust_env=False, timeout=PATIENCE), "a/b")


# kill -9


def test_an_upload_goes_on_after_kill_9(tmp_path: Path) -> None:
    data = random.Random(1).randbytes(5_000_000)
    server = start_server(tmp_path / "s")
    repo = connect(server.address)
    location = repo.begin()
    assert repo.client.patch(location, content=data[:3_000_000]).status_code == 202
    server.kill()
    with running_server(tmp_path / "s") as address:
        repo = connect(address)
        status = repo.client.get(location)
        assert (status.status_code, status.headers["range"]) == (204, "0-2999999")
        rest = {"content-range": f"3000000-{len(data) - 1}"}
        assert repo.client.patch(location, content=data[3_000_000:], headers=rest).status_code == 202
        assert repo.client.put(location, params={"digest": digest_of(data)}).status_code == 201
        assert repo.get(f"blobs/{digest_of(data)}").content == data


def test_kill_9_while_pushing_loses_nothing_that_was_promised(tmp_path: Path) -> None:
    """Ten kills at random moments of uploads and manifests: what got its 201 is there, what is there is whole."""
    rng = random.Random(2)
    promised: dict[str, bytes] = {}
    for number in range(10):
        server = start_server(tmp_path / "s")
        pusher = threading.Thread(target=_push_until_it_dies, args=(server.address, number, promised))
        pusher.start()
        before, more = len(promised), rng.randrange(8)
        until(lambda: len(promised) > before + more or not pusher.is_alive(), "a promise")  # noqa: B023 - called at once
        server.kill()
        pusher.join()
    assert promised
    with running_server(tmp_path / "s") as address:
        repo = connect(address)
        for path, content in promised.items():
            assert repo.get(path).content == content, path
        for tag in repo.get("tags/list").json()["tags"]:
            image = repo.get(f"manifests/{tag}")
            assert digest_of(image.content) == image.headers["docker-content-digest"]
            for part in (image.json()["config"], *image.json()["layers"]):
                assert digest_of(repo.get(f"blobs/{part['digest']}").content) == part["digest"]


def _push_until_it_dies(address: str, number: int, promised: dict[str, bytes]) -> None:
    repo = connect(address)
    try:
        for step in range(1000):
            content = random.Random(f"{number} {step}").randbytes(300_000)
            promised[f"blobs/{repo.push(content)}"] = content
            raw = repo.manifest(content)
            tag = f"t{number}-{step}"
            if repo.put(tag, raw).status_code == 201:
                promised[f"manifests/{tag}"] = raw
    except httpx.HTTPError:
        return


def test_a_stop_ends_at_once_though_somebody_is_sending(tmp_path: Path) -> None:
    server = start_server(tmp_path / "s")
    location = connect(server.address).begin()
    host, _, port = server.address.rpartition(":")
    with socket.create_connection((host, int(port))) as link:
        link.sendall(f"PATCH {location} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc".encode())
        until(lambda: any((tmp_path / "s/uploads").iterdir()), "the first bytes")
        server.stop()  # the client has not ended, and does not


# Clients that go, or take their time


def _open(address: str, head: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    link = socket.create_connection((host, int(port)), timeout=PATIENCE)
    link.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
    return link


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_client_that_breaks_off_goes_on(repo: Repository, address: str, method: str) -> None:
    data = random.Random(3).randbytes(2_500_000)
    location = repo.begin()
    query = f"&digest={digest_of(data)}" if method == "PUT" else ""
    with _open(address, f"{method} {location}{query} HTTP/1.1\nHost: localhost\nContent-Length: {len(data)}") as link:
        link.sendall(data[:2_000_000])
    # Over another connection a question may arrive before what was sent first; from then on the answer waits for it.
    until(lambda: repo.client.get(location).headers["range"] != "0-0")
    answer = repo.client.get(location)
    assert (answer.status_code, answer.headers["range"]) == (204, "0-1999999")
    done = repo.client.put(location, params={"digest": digest_of(data)}, content=data[2_000_000:])
    assert done.status_code == 201


def test_a_single_post_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    with running_server(tmp_path / "s") as address:
        path = f"/v2/a/blobs/uploads/?digest={digest_of(b'x')}"
        with _open(address, f"POST {path} HTTP/1.1\nHost: localhost\nContent-Length: 100") as link:
            link.sendall(b"abc")
            until(lambda: os.listdir(tmp_path / "s/uploads"), "the first bytes")
        until(lambda: not os.listdir(tmp_path / "s/uploads"))


def test_slow_clients_keep_nobody_waiting(repo: Repository, address: str) -> None:
    links = [
        _open(address, f"PATCH {repo.begin()} HTTP/1.1\nHost: localhost\nContent-Length: 1000000") for _ in range(100)
    ]
    links += [_open(address, "PUT /v2/a/manifests/x HTTP/1.1\nHost: localhost\nContent-Length: 9") for _ in range(50)]
    for link in links:
        link.sendall(b"x")
    repo.put_image("v1")
    assert repo.get("manifests/v1").status_code == 200
    assert select.select(links, [], [], 0)[0] == [], "none of them was given up to make room"
    for link in links:
        link.close()


def test_a_second_request_does_not_wait_for_ever_for_a_stalled_one(tmp_path: Path) -> None:
    """It holds the upload once its first mebibyte is in the file."""
    uploads, mebibyte = tmp_path / "s/uploads", 1 << 20
    with running_server(tmp_path / "s") as address:
        repo = connect(address)
        location = repo.begin()
        with _open(address, f"PATCH {location} HTTP/1.1\nHost: localhost\nContent-Length: 2000000") as link:
            link.sendall(bytes(mebibyte) + b"abc")
            until(lambda: any(file.stat().st_size for file in uploads.iterdir()), "the first piece")
            answer = repo.client.patch(location, content=b"def")
            assert (answer.status_code, code_of(answer)) == (409, "BLOB_UPLOAD_INVALID")
        assert repo.client.get(location).headers["range"] == f"0-{mebibyte + 2}"


# What rotted


def test_content_that_rotted_is_not_handed_out_as_a_manifest(tmp_path: Path) -> None:
    server = start_server(tmp_path / "s")
    digest = connect(server.address).put_image("v1")
    server.stop()
    file = tmp_path / "s/blobs" / digest.replace(":", "/")
    file.chmod(0o644)
    file.write_bytes(file.read_bytes().replace(b"layer", b"lay3r"))
    with running_server(tmp_path / "s") as address:
        answer = connect(address).get("manifests/v1")
        assert (answer.status_code, code_of(answer)) == (500, "UNKNOWN")
        assert str(tmp_path) not in answer.text


# Collection


@pytest.fixture
def storage(tmp_path: Path) -> Generator[Storage, None, None]:
    found = Storage(tmp_path / "storage")
    yield found
    found.close()


def put_blob(storage: Storage, data: bytes, repository: str = "a") -> Digest:
    name = storage.uploads.begin(repository)
    storage.uploads.append(name, data)
    digest = Digest.of(data)
    storage.uploads.finish(name, repository, digest)
    return digest


def put_image(storage: Storage, content: bytes, repository: str = "a") -> Digest:
    from lading.store.oci.descriptors import Descriptor

    parts = [put_blob(storage, data, repository) for data in (b"{}", content)]
    raw = manifest(content)
    digest = Digest.of(raw)
    with storage.catalog.transaction():
        storage.put_document(raw, digest)
        storage.catalog.add_manifest(repository, Descriptor(MANIFEST, digest, len(raw)), None, parts, ["v1"])
    return digest


def test_what_is_used_stays_and_what_is_not_goes(storage: Storage) -> None:
    image = put_image(storage, b"used")
    lost = put_blob(storage, b"lost")
    upload = storage.uploads.begin("a")
    assert collect(storage) == 0
    assert collect(storage, time.time() + ALL) == 2
    assert storage.blobs.size(lost) is None
    assert storage.catalog.blob_size("a", lost) is None
    assert storage.document(image) == manifest(b"used")
    assert storage.blobs.size(Digest.of(b"used")) == 4
    with pytest.raises(ApiError):
        storage.uploads.length(upload)


def test_the_blobs_of_a_deleted_image_go_after_a_while(storage: Storage) -> None:
    image = put_image(storage, b"old")
    storage.catalog.remove_manifest("a", image)
    assert collect(storage, time.time() + GRACE + 60) == 1, "the manifest alone"
    assert storage.blobs.size(Digest.of(b"old")) == 3
    assert collect(storage, time.time() + ALL) == 2
    assert list(storage.blobs) == []


def test_another_repository_keeps_it(storage: Storage) -> None:
    image = put_image(storage, b"shared")
    storage.catalog.mount_blob("b", "a", Digest.of(b"shared"))
    put_image(storage, b"shared", "b")
    storage.catalog.remove_manifest("a", image)
    assert collect(storage, time.time() + ALL) == 0
    assert storage.blobs.size(Digest.of(b"shared")) == 6


def test_what_a_killed_server_left_goes(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "storage/uploads/orphan").write_bytes(b"x")
    storage.catalog.begin_upload("rowonly", "a")
    assert collect(storage, time.time() + ALL) == 2
    assert os.listdir(tmp_path / "storage/uploads") == []
    assert storage.catalog.uploads() == []


def test_a_push_that_asked_whether_a_blob_is_here_finds_it(tmp_path: Path) -> None:
    with running_server(tmp_path / "storage") as address:
        digest = connect(address).push(b"layer")
    catalog = Catalog(tmp_path / "storage/registry.db")
    catalog._run("UPDATE blob SET seen = 0")
    catalog.close()
    storage = Storage(tmp_path / "storage")
    storage.catalog.touch_blob("a/b", Digest.parse(digest))
    collect(storage)
    assert storage.catalog.blob_size("a/b", Digest.parse(digest)) == 5
    storage.close()


def test_collecting_while_everybody_pushes(storage: Storage) -> None:
    """Rounds that would take everything old enough, against pushes of the same content, deletes and mounts."""
    over = threading.Event()
    faults: list[BaseException] = []

    def work(name: str) -> None:
        rng = random.Random(name)
        while not over.is_set():
            try:
                content = f"{rng.randrange(6)}".encode()
                image = put_image(storage, content, name)
                assert storage.document(image) == manifest(content)
                for data in (b"{}", content):
                    assert storage.blobs.size(Digest.of(data)) == len(data)
                if rng.random() < 0.7:
                    storage.catalog.remove_manifest(name, image)
            except BaseException as error:
                faults.append(error)
                return

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for _ in range(60):
        # Far enough ahead for files, not for rows: every file that no row names is fair game.
        collect(storage, time.time() + GRACE + 1)
    over.set()
    for thread in threads:
        thread.join()
    assert faults == []


def test_a_scheme_of_another_version_is_refused(tmp_path: Path) -> None:
    import sqlite3

    from lading.store.errors import MachineError

    Storage(tmp_path / "s").close()
    with sqlite3.connect(tmp_path / "s/registry.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(MachineError, match="99"):
        Storage(tmp_path / "s")
    shutil.rmtree(tmp_path / "s")


def test_large_documents_are_read_two_at_a_time(tmp_path: Path) -> None:
    """Twenty at once cost what two cost, and twenty such documents as they are."""
    server = start_server(tmp_path / "registry")
    try:
        costly = b"[" + b",".join([b'{"a":0,"bcdefgh":"xxxx"}'] * 160_000) + b"]"

        def send() -> None:
            answer = httpx.put(
                f"http://{server.address}/v2/a/manifests/x",
                content=costly,
                headers={"content-type": "application/vnd.oci.image.manifest.v1+json"},
                timeout=PATIENCE,
            )
            assert answer.status_code == 400

        with ThreadPoolExecutor(20) as clients:
            for sent in [clients.submit(send) for _ in range(20)]:
                sent.result()
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]
        assert peak < 150_000_000 + 20 * len(costly) + 2 * 32 * len(costly)
    finally:
        server.stop()
