"""A server on a disk that is full, or that can only be read: what is there is served, what is new is refused."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from lading.registry.server.storage.catalog import Catalog
from lading.registry.server.storage.gc import GRACE, collect
from lading.registry.server.storage.storage_folder import Storage
from lading.store.content.blobs import write_blob
from suites.machine import needs
from suites.patience import PATIENCE
from suites.registry_api import Repository, code_of, digest_of, manifest
from suites.registry_server import running_server, start_server
from suites.small_disk import fill, small_disk

pytestmark = needs("root")


@pytest.fixture
def disk(tmp_path: Path) -> Generator[Path, None, None]:
    with small_disk(tmp_path / "disk", "8m") as place:
        yield place


@contextmanager
def read_only(folder: Path, place: Path) -> Generator[Path, None, None]:
    """`folder` at another place, where it can only be read."""
    place.mkdir()
    subprocess.run(["mount", "--bind", folder, place], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@contextmanager
def connected(address: str) -> Generator[Repository, None, None]:
    with httpx.Client(base_url=f"http://{address}", trust_env=False, timeout=PATIENCE) as client:
        yield Repository(client, "a/b")


def fill_storage(folder: Path, *, kill: bool = False) -> None:
    """An image that nobody looked at for long; whoever looks at it now would have that written down."""
    server = start_server(folder)
    with connected(server.address) as repo:
        repo.put_image("v1")
        repo.push(b"loose")
        if kill:
            server.kill()
            return
    server.stop()
    catalog = Catalog(folder / "registry.db")
    catalog._run("UPDATE blob SET seen = 0")
    catalog.close()


def assert_served(repo: Repository) -> None:
    raw, layer = manifest(), digest_of(b"layer")
    assert repo.get("manifests/v1").content == raw
    assert repo.request("HEAD", f"manifests/{digest_of(raw)}").status_code == 200
    assert repo.get(f"blobs/{layer}").content == b"layer"
    assert repo.request("HEAD", f"blobs/{layer}").status_code == 200
    assert repo.get("tags/list").json()["tags"] == ["v1"]
    assert repo.get(f"referrers/{digest_of(raw)}").json()["manifests"] == []
    assert repo.client.get("/v2/_catalog").json()["repositories"] == ["a/b"]


def assert_refused(repo: Repository, folder: Path, words: str) -> None:
    for answer in (
        repo.put("v2", manifest()),
        repo.request("POST", "blobs/uploads/"),
        repo.request("POST", f"blobs/uploads/?digest={digest_of(b'new')}", content=b"new"),
        repo.client.post(f"/v2/c/blobs/uploads/?mount={digest_of(b'layer')}&from=a/b"),
        repo.request("DELETE", "manifests/v1"),
        repo.request("DELETE", f"blobs/{digest_of(b'loose')}"),
    ):
        assert (answer.status_code, code_of(answer)) == (507, "UNAVAILABLE")
        assert words in answer.text
        assert str(folder) not in answer.text


def test_a_full_disk_is_said_and_leaves_nothing_half_done(disk: Path) -> None:
    with running_server(disk / "s") as address, connected(address) as repo:
        repo.put_image("before", bytes(1_000_000))
        location = repo.begin()
        for answer in (
            repo.client.patch(location, content=bytes(20_000_000)),
            repo.client.put(repo.begin(), params={"digest": digest_of(b"")}, content=bytes(20_000_000)),
            repo.request("POST", f"blobs/uploads/?digest={digest_of(b'')}", content=bytes(20_000_000)),
        ):
            assert (answer.status_code, code_of(answer)) == (507, "UNAVAILABLE")
            assert str(disk) not in answer.text
        assert repo.client.get(location).status_code == 404, "its bytes would be in everybody's way"
        assert os.listdir(disk / "s/uploads") == []
        repo.put_image("after", bytes(1_000_001))
        assert repo.get("manifests/before").status_code == 200


def test_a_disk_without_room_for_a_manifest(disk: Path) -> None:
    with running_server(disk / "s") as address, connected(address) as repo:
        raw = repo.manifest()
        ballast = fill(disk)
        answer = repo.put("v1", raw)
        assert (answer.status_code, code_of(answer)) == (507, "UNAVAILABLE")
        assert repo.get("manifests/v1").status_code == 404
        assert repo.client.post("/v2/a/b/blobs/uploads/").status_code in (202, 507)
        ballast.unlink()
        assert repo.put("v1", raw).status_code == 201
        assert repo.get("manifests/v1").content == raw


def test_a_disk_that_fills_up_is_read_on(disk: Path) -> None:
    fill_storage(disk / "s")
    with running_server(disk / "s") as address, connected(address) as repo:
        repo.push(b"writes once, so that the database has its files")
        ballast = fill(disk)
        assert_served(repo)
        new = manifest(annotations={"com.example.word": "new"})
        assert repo.put("v2", new).status_code == 507
        assert_served(repo)
        ballast.unlink()
        assert repo.put("v2", new).status_code == 201


def test_a_server_starts_on_a_full_disk_and_goes_on_when_there_is_room(disk: Path) -> None:
    fill_storage(disk / "s")
    ballast = fill(disk)
    with running_server(disk / "s") as address, connected(address) as repo:
        assert_served(repo)
        assert_refused(repo, disk, "full")
        assert_served(repo)
        ballast.unlink()
        repo.put_image("v2", b"new")
        assert repo.get("tags/list").json()["tags"] == ["v1", "v2"]
    with running_server(disk / "s") as address, connected(address) as repo:
        assert repo.get(f"blobs/{digest_of(b'new')}").content == b"new"


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_a_disk_that_can_only_be_read_is_served(tmp_path: Path, kill: bool) -> None:
    fill_storage(tmp_path / "s", kill=kill)
    with (
        read_only(tmp_path / "s", tmp_path / "place") as place,
        running_server(place) as address,
        connected(address) as repo,
    ):
        assert_served(repo)
        assert_refused(repo, tmp_path, "can only be read")
        assert_served(repo)


def test_what_another_version_wrote_is_refused_there_too(tmp_path: Path) -> None:
    fill_storage(tmp_path / "s")
    with closing(sqlite3.connect(tmp_path / "s" / "registry.db")) as database:
        database.execute("PRAGMA user_version = 7")
        database.execute("PRAGMA journal_mode = DELETE")
    with (
        read_only(tmp_path / "s", tmp_path / "place") as place,
        pytest.raises(AssertionError, match="has the form 7"),
    ):
        start_server(place)


def test_a_database_that_was_never_written_is_not_served(disk: Path) -> None:
    Storage(disk / "s").close()
    for path in (disk / "s").glob("registry.db*"):
        path.write_bytes(b"")
    fill(disk)
    with pytest.raises(AssertionError, match="full"):
        start_server(disk / "s")


def test_two_servers_do_not_share_a_disk_that_can_only_be_read(tmp_path: Path) -> None:
    fill_storage(tmp_path / "s")
    with (
        read_only(tmp_path / "s", tmp_path / "place") as place,
        running_server(place),
        pytest.raises(AssertionError, match="another registry serves it"),
    ):
        start_server(place)


def test_collecting_makes_room_on_a_full_disk(disk: Path) -> None:
    storage = Storage(disk / "s")
    storage.catalog.add_blob("a", write_blob(storage.blobs, b"known"), 5)
    lost = write_blob(storage.blobs, bytes(1_000_000))
    fill(disk)
    assert collect(storage, time.time() + GRACE + 60) == 1
    assert storage.blobs.size(lost) is None
    storage.close()
