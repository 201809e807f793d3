"""Which folders a server takes for its own: what it does not know there, it would delete."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from lading.registry.server.storage.gc import collect
from lading.registry.server.storage.storage_folder import Storage
from lading.store.content.blobs import write_blob
from lading.store.errors import InputError
from lading.store.store import Store
from suites.images import put_image


def everything(folder: Path) -> dict[Path, tuple[int, bytes | None]]:
    return {
        path: (path.stat().st_mode, path.read_bytes() if path.is_file() else None)
        for path in [folder, *sorted(folder.rglob("*"))]
    }


def test_a_folder_of_something_else_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    photos, layout, store, database = (tmp_path / name for name in ("photos", "layout", "store", "database"))
    photos.mkdir(mode=0o755)
    (photos / "cat.jpg").write_bytes(b"meow")
    (layout / "blobs/sha256").mkdir(parents=True)
    (layout / "blobs/sha256" / ("a" * 64)).write_bytes(b"of another program")
    with Store.open(store) as opened:
        put_image(opened, b"layer")
    database.mkdir()
    with sqlite3.connect(database / "registry.db") as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    connection.close()
    for folder in (photos, layout, store, database, store / "blobs"):
        before = everything(folder)
        with pytest.raises(InputError, match=r"holds other things|is a root of Lading's own") as caught:
            Storage(folder)
        assert caught.value.hint
        assert everything(folder) == before
    with pytest.raises(InputError, match="cannot be"):
        Storage(Path("/"))
    with pytest.raises(InputError, match="cannot be"):
        Storage(tmp_path / "store/../../../../../../../../../../../../..")


def test_an_empty_folder_is_taken_and_known_again(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/lost+found").mkdir()
    (tmp_path / "new/.lading-registry.0123").touch()  # of one that was killed
    for _ in range(2):
        Storage(tmp_path / "new").close()
    for _ in range(2):
        Storage(tmp_path / "missing/one").close()


def test_a_folder_of_an_earlier_version_is_taken_with_all_that_is_in_it(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "s")
    storage.catalog.close()
    (tmp_path / "s/lading-registry").unlink()
    digest = write_blob(storage.blobs, b"content")
    storage.close()
    again = Storage(tmp_path / "s")
    collect(again)
    assert again.blobs.size(digest) == 7  # too young to be deleted
    again.close()
    assert (tmp_path / "s/lading-registry").exists()


def test_a_root_is_no_folder_of_something_else(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    (layout / "blobs/sha256").mkdir(parents=True)
    (layout / "blobs/sha256" / ("a" * 64)).write_bytes(b"of another program")
    (layout / "oci-layout").write_bytes(b'{"imageLayoutVersion":"1.0.0"}')
    Storage(tmp_path / "storage").close()
    for folder in (layout, tmp_path / "storage"):
        before = everything(folder)
        with pytest.raises(InputError, match="holds other things than a root of Lading's would"):
            Store.open(folder)
        assert everything(folder) == before
