"""`index.db`: on full disks, from earlier versions, under kills."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from lading.store.errors import MachineError
from lading.store.gc import collect
from lading.store.index import SCHEMAS, VERSION, Index
from lading.store.store import Store
from suites.images import blobs_of, put_image, remove
from suites.machine import needs
from suites.small_disk import fill, small_disk

NAMES = [f"docker.io/library/app:{number}" for number in range(40)]


@needs("root")
def test_without_a_free_byte_all_is_read_and_all_is_removed(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "4m") as small:
        with Store.open(small / "root") as store:
            for name in NAMES:
                image = put_image(store, os.urandom(20_000))
                store.tag(name, image, [name])
                store.lease("container", [image.digest])
        fill(small)
        with Store.open(small / "root") as store:
            assert {found.name for found in store.references()} == set(NAMES)
            for name in NAMES[1:]:
                remove(store, name)
            store.release("container")
            collect(store)
            assert [found.name for found in store.references()] == NAMES[:1]
            assert set(store.blobs) == blobs_of(store, store.references()[0].descriptor)


@needs("root")
def test_a_full_disk_refuses_in_one_line_and_what_was_there_stays(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "4m") as small:
        with Store.open(small / "root") as store:
            image = put_image(store, b"layer")
            store.tag(NAMES[0], image)
        ballast = fill(small)
        with Store.open(small / "root") as store:
            with pytest.raises(MachineError, match=r"index\.db: database or disk is full") as caught, store.writing():
                for number in range(10_000):
                    store.tag(f"docker.io/library/more:{number}", image)
            assert caught.value.hint
            ballast.unlink()
            store.tag(NAMES[1], image)
            assert {found.descriptor.digest for found in store.references()} == {image.digest}
            assert NAMES[1] in {found.name for found in store.references()}


def test_reading_makes_and_changes_no_file(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.tag(NAMES[0], put_image(store, b"layer"))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with Store.open(tmp_path) as store:
        assert store.references()
        store.find("abc")
        during = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert before == during


def test_a_killed_change_is_whole_or_not_at_all(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from lading.store.index import Index
index = Index(Path(sys.argv[1]))
with index.transaction():
    for number in range(2000):  # more than fits into memory: the file itself is being changed
        index.run("INSERT INTO cache (kind, key, value, used) VALUES ('action', ?, ?, 0)", (str(number), b"x" * 5000))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    path = tmp_path / "index.db"
    index = Index(path)
    index.run("INSERT INTO cache (kind, key, value, used) VALUES ('action', 'kept', x'00', 0)")
    died = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert index.all("SELECT key FROM cache") == [("kept",)]
    assert index.one("PRAGMA integrity_check") == ("ok",)
    index.close()


def test_a_root_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        image = put_image(store, b"layer")
    for part in tmp_path.glob("index.db*"):
        part.unlink()
    connection = sqlite3.connect(tmp_path / "index.db")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(SCHEMAS[0])
    row = (NAMES[0], str(image.digest), image.media_type, image.size)
    connection.execute("INSERT INTO reference VALUES (?, ?, ?, ?, 5.0)", row)
    layer = b'{"layer":{"descriptor":{"digest":"sha256:abc"}}}'
    connection.execute("INSERT INTO cache VALUES ('action', 'key', ?, 1.0)", (layer,))
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()

    with Store.open(tmp_path) as store:
        assert store.index.one("PRAGMA user_version") == (VERSION,)
        assert store.index.one("PRAGMA journal_mode") == ("persist",)
        assert [found.name for found in store.references()] == [NAMES[0]]
        assert store.index.all("SELECT digest, removed FROM image") == [(str(image.digest), 0)]
        assert store.index.one("SELECT blob, value FROM cache") == ("sha256:abc", layer)


def test_a_root_of_a_later_version_is_refused_in_one_line_and_left_alone(tmp_path: Path) -> None:
    Index(tmp_path / "index.db").close()
    with sqlite3.connect(tmp_path / "index.db") as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    before = (tmp_path / "index.db").read_bytes()
    with pytest.raises(MachineError, match="written by a newer lading") as caught:
        Index(tmp_path / "index.db")
    assert "upgrade lading" in (caught.value.hint or "")
    assert (tmp_path / "index.db").read_bytes() == before
