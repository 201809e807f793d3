"""Connections to databases: transactions inside others, files that are only read, disks that are full."""

from __future__ import annotations

import errno
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lading.store.errors import MachineError
from lading.store.system.machine_errors import machine_errors
from lading.store.system.sqlite import Connection, is_full, is_read_only
from suites.machine import needs
from suites.small_disk import fill, small_disk


def connect(path: Path, *, readonly: bool = False) -> Connection:
    return Connection(path, room="make room", elsewhere="look elsewhere", readonly=readonly)


def test_what_fails_in_an_inner_transaction_undoes_the_outermost(tmp_path: Path) -> None:
    database = connect(tmp_path / "a.db")
    database.run("CREATE TABLE number (value)")
    with database.transaction():
        database.run("INSERT INTO number VALUES (1)")
    with pytest.raises(KeyError), database.transaction():
        database.run("INSERT INTO number VALUES (2)")
        with database.transaction():
            database.run("INSERT INTO number VALUES (3)")
            raise KeyError
    assert database.all("SELECT value FROM number") == [(1,)]
    assert database.one("SELECT value FROM number WHERE value > 1") is None
    database.close()


def test_a_transaction_is_that_of_the_thread_that_began_it(tmp_path: Path) -> None:
    database = connect(tmp_path / "a.db")
    assert not database.is_mine()
    with database.transaction(), ThreadPoolExecutor(1) as other:
        assert database.is_mine()
        assert not other.submit(database.is_mine).result()
    database.close()


def test_a_database_that_is_only_read_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"what\?\.db: unable to open"):
        connect(tmp_path / "what?.db", readonly=True).all("SELECT 1 FROM sqlite_master")
    assert not list(tmp_path.iterdir())
    writer = connect(tmp_path / "what?.db")
    writer.run("CREATE TABLE number (value)")
    reader = connect(tmp_path / "what?.db", readonly=True)
    assert reader.all("SELECT name FROM sqlite_master") == [("number",)]
    with pytest.raises(MachineError, match="readonly"):
        reader.run("INSERT INTO number VALUES (1)")
    reader.close()
    writer.close()


def test_a_folder_whose_name_is_no_text(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff?"))
    folder.mkdir()
    connect(folder / "a.db").run("CREATE TABLE number (value)")
    reader = connect(folder / "a.db", readonly=True)
    assert reader.all("SELECT name FROM sqlite_master") == [("number",)]
    reader.close()


@needs("root")
def test_a_disk_that_can_only_be_read_is_told_from_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        database = connect(disk / "a.db")
        database.run("CREATE TABLE number (value)")
        database.close()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        for name in ("a.db", "b.db"):
            with pytest.raises(MachineError) as caught:
                connect(disk / name).run("CREATE TABLE other (value)")
            assert is_read_only(caught.value)
    (tmp_path / "c.db").mkdir()
    with pytest.raises(MachineError) as caught:
        connect(tmp_path / "c.db").run("CREATE TABLE other (value)")
    assert not is_read_only(caught.value)


def test_a_file_that_is_no_database_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"something else, and long enough to be looked at" * 20)
    database = connect(tmp_path / "a.db")
    with pytest.raises(MachineError, match=r"a\.db: file is not a database") as caught:
        database.insist("PRAGMA user_version")
    assert caught.value.hint == "look elsewhere"
    assert not is_full(caught.value)
    database.close()


@needs("root")
def test_a_full_disk_is_known_from_the_error_of_a_database_and_of_a_file(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "1m") as small:
        database = connect(small / "a.db")
        database.run("CREATE TABLE number (value)")
        fill(small)
        with pytest.raises(MachineError) as caught:
            database.run("INSERT INTO number VALUES (zeroblob(100000))")
        assert is_full(caught.value)
        assert caught.value.hint == "make room"
        database.close()
        with pytest.raises(MachineError) as caught, machine_errors(small / "more"):
            (small / "more").write_bytes(bytes(5000))
        assert is_full(caught.value)
    assert is_full(OSError(errno.EDQUOT, "quota"))
    assert not is_full(OSError(errno.EACCES, "no"))
    assert not is_full(None)
