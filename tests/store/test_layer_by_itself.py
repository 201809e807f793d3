"""A layer is unpacked by itself, as containerd and containers/storage do: one digest is one tree everywhere.

The trees below are what BuildKit 0.34 and podman 4.3 made of the same layers. Where the two differ it is said.
"""

from __future__ import annotations

import io
import json
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.store.content.blobs import write_blob
from lading.store.errors import DocumentError
from lading.store.exchange import layouts
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import CONFIG, LAYER, Manifest
from lading.store.snapshots.unpack_layers import unpack
from lading.store.store import Store
from suites.changes import shown
from suites.containers_storage import ContainersStorage, containers_storage
from suites.images import put_manifest
from suites.machine import needs

pytestmark = needs("root", "overlay")

KINDS = {"/": tarfile.DIRTYPE, "->": tarfile.SYMTYPE, "=>": tarfile.LNKTYPE}
BELOW = ("w/d/a", "w/l -> /w/d", "t/ 1777 0", "t/x/ 700 5", "t/x/y", "f")
KEPT = {"w": "/", "w/d": "/", "w/d/a": "", "w/l": "-> /w/d", "t": "/ 1777 0", "t/x": "/ 700 5", "t/x/y": "", "f": ""}


def without(*names: str, **more: str) -> dict[str, str]:
    """What is left of `KEPT`, and what came."""
    return {name: what for name, what in {**KEPT, **more}.items() if name not in names}


IMAGES: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "below a link of the layer below": (("w/l/new",), KEPT | {"w/l": "/", "w/l/new": ""}),
    "a removal below a link of the layer below": (("w/l/.wh.a",), KEPT | {"w/l": "/"}),
    "a folder where a link was": (("w/l/",), KEPT | {"w/l": "/"}),
    "folders that are not mentioned": (("t/x/z", "n/q"), KEPT | {"t/x/z": "", "n": "/", "n/q": ""}),
    "the root's own entry": (("./ 700 1000", "n"), KEPT | {"n": ""}),
    "all that the root holds": ((".wh..wh..opq", "n"), KEPT | {"n": ""}),
    "all that a folder holds, said last": (("t/n", "t/.wh..wh..opq"), without("t/x", "t/x/y") | {"t/n": ""}),
    "all that a folder holds, said first": (("t/.wh..wh..opq", "t/n"), without("t/x", "t/x/y") | {"t/n": ""}),
    "within what is hidden": (("t/.wh..wh..opq", "t/.wh.x", "t/n"), without("t/x", "t/x/y") | {"t/n": ""}),
    "a folder in place of a file": (("f/", "f/.wh..wh..opq", "f/n"), KEPT | {"f": "/", "f/n": ""}),
    "a file in place of a folder": (("t",), without("t/x", "t/x/y") | {"t": ""}),
    "removed and brought": ((".wh.f", "f"), KEPT),
    "removed, and a folder again": (("t/ 1777 0", "t/.wh.x", "t/x/ 700 5", "t/x/n"), KEPT | {"t/x/n": ""}),
    "removed, and below it": ((".wh.t", "t/.wh.x"), without("t", "t/x", "t/x/y")),
    "what is not there": ((".wh.nope", "t/.wh.nope", "q/.wh.nope"), KEPT | {"q": "/"}),
    "removed by an entry that is a folder": ((".wh.t/",), without("t", "t/x", "t/x/y")),
    "a long name": (("n" * 255, "t/.wh." + "m" * 255), KEPT | {"n" * 255: ""}),
    "metadata of AUFS": ((".wh..wh.plnk/", ".wh..wh.aufs", "t/.wh..wh.f", ".wh..wh.f"), KEPT),
    "a link of the layer itself": (
        ("t2/", "k -> t2", "k/n", "k/.wh.z"),
        KEPT | {"t2": "/", "k": "-> t2", "t2/n": ""},
    ),
    "a link of the layer itself, and what it leads to below": (
        ("t/ 1777 0", "k -> t", "k/.wh.x"),
        without("t/x", "t/x/y") | {"k": "-> t"},
    ),
    "names that lead up": (("a/../b", "../c"), KEPT | {"b": "", "c": ""}),
}
REFUSED = {
    "a hard link to the layer below": ("n => f",),
    "a hard link to what is removed": (".wh.f", "n => f"),
    "a hard link to a removal": (".wh.f", "n => .wh.f"),
    "what the same layer brings": ("f", ".wh.f"),
    "a folder that the same layer brings": ("t/x/n", "t/.wh.x"),
    "no name": (".wh.",),
    "the folder itself": ("t/.wh..",),
    "the folder above": ("t/.wh...",),
    "through a link to what only the layer below has": ("k -> t", "k/n"),
}


def archive(rows: tuple[str, ...]) -> bytes:
    """Rows are ``PATH``, ``PATH/ MODE OWNER``, ``PATH -> TARGET`` and ``PATH => TARGET`` (a hard link)."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as out:
        for row in rows:
            name, *rest = row.split(" ")
            info = tarfile.TarInfo(name)
            info.mode = 0o644
            if name.endswith("/"):
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                if rest:
                    info.mode, info.uid = int(rest[0], 8), int(rest[1])
            elif rest:
                info.type, info.linkname = KINDS[rest[0]], rest[1]
            out.addfile(info)
    return stream.getvalue()


def listing(root: Path, *, modes: bool = True) -> dict[str, str]:
    """What is there, in the words of `IMAGES`; names that the kernel lists and does not find are none."""
    found: dict[str, str] = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = Path(folder, name)
            if not os.path.lexists(path):
                continue
            info = path.lstat()
            what = ""
            if stat.S_ISLNK(info.st_mode):
                what = f"-> {os.readlink(path)}"
            elif stat.S_ISDIR(info.st_mode):
                mode = f"{stat.S_IMODE(info.st_mode):o} {info.st_uid}"
                what = "/" if mode == "755 0" or not modes else f"/ {mode}"
            found[str(path.relative_to(root))] = what
    return found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "root") as store:
        yield store


@pytest.fixture(scope="module")
def storage() -> Iterator[ContainersStorage]:
    with containers_storage() as storage:
        yield storage


def image(store: Store, *layers: tuple[str, ...] | bytes) -> Descriptor:
    blobs = [rows if isinstance(rows, bytes) else archive(rows) for rows in layers]
    config = {
        "os": "linux",
        "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(blob)) for blob in blobs]},
    }
    rows = [Descriptor(LAYER, write_blob(store.blobs, blob), len(blob)).json() for blob in blobs]
    return put_manifest(store, json.dumps(config).encode(), CONFIG, rows)


def unpacked(store: Store, descriptor: Descriptor) -> str:
    manifest = store.document(descriptor)
    assert isinstance(manifest, Manifest)
    top = unpack(store.snapshots, store.blobs, manifest, store.config(manifest))
    assert top is not None
    return top


@pytest.mark.parametrize("name", IMAGES)
def test_a_layer_is_unpacked_by_itself(store: Store, name: str) -> None:
    layer, expected = IMAGES[name]
    top = unpacked(store, image(store, BELOW, layer))
    with shown(store, top) as view:
        assert listing(view) == expected
        assert set(os.listdir(view)) == {path for path in expected if "/" not in path}, "no name without a file"
        info = view.stat()
        assert (stat.S_IMODE(info.st_mode), info.st_uid) == (0o755, 0)
    store.snapshots.check(top)


@needs("podman")
@pytest.mark.parametrize("name", IMAGES)
def test_containers_storage_unpacks_the_same(
    store: Store, storage: ContainersStorage, tmp_path: Path, name: str
) -> None:
    """But for modes of folders that a layer does not mention, which containerd alone takes from below, as we do."""
    layer, expected = IMAGES[name]
    descriptor = image(store, BELOW, layer)
    layouts.write_layout(store, descriptor, tmp_path / "layout", ["localhost/x:latest"])
    with storage.shown(f"oci:{tmp_path / 'layout'}:localhost/x:latest") as view:
        theirs = listing(view, modes=False)
    assert theirs == {path: what[:1] if what.startswith("/") else what for path, what in expected.items()}


def odd_headers() -> bytes:
    """A file whose further names say another owner and mode, as no tar writes it, and a file with a slash after it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as out:
        for name, kind, target, mode, owner in (
            ("a", tarfile.REGTYPE, "", 0o600, 1),
            ("b", tarfile.LNKTYPE, "a", 0o4750, 2),
            ("c", tarfile.SYMTYPE, "a", 0o777, 3),
            ("d", tarfile.LNKTYPE, "c", 0o600, 4),
            ("e", tarfile.REGTYPE, "", 0o644, 5),
            ("f", tarfile.LNKTYPE, "e", 0o4711, 5),
            ("slash/", tarfile.REGTYPE, "", 0o640, 6),
            ("old/", tarfile.AREGTYPE, "", 0o750, 7),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode, info.uid = kind, target, mode, owner
            info.pax_headers = {"SCHILY.xattr.user.k": "v"} if name == "f" else {}
            out.addfile(info)
    return stream.getvalue()


ODD = {
    "a": (stat.S_IFREG | 0o4750, 2),
    "b": (stat.S_IFREG | 0o4750, 2),
    "c": (stat.S_IFLNK | 0o777, 4),
    "d": (stat.S_IFLNK | 0o777, 4),
    "e": (stat.S_IFREG | 0o4711, 5),
    "f": (stat.S_IFREG | 0o4711, 5),
    "slash": (stat.S_IFREG | 0o640, 6),
    "old": (stat.S_IFDIR | 0o750, 7),
}


def owners(root: Path) -> dict[str, tuple[int, int]]:
    """Mode and owner of everything in a folder."""
    return {path.name: (path.lstat().st_mode, path.lstat().st_uid) for path in root.iterdir()}


def test_headers_that_no_tar_writes(store: Store) -> None:
    with shown(store, unpacked(store, image(store, odd_headers()))) as view:
        assert owners(view) == ODD
        assert os.getxattr(view / "e", "user.k") == b"v"


@needs("podman")
def test_containers_storage_reads_such_headers_so(store: Store, storage: ContainersStorage, tmp_path: Path) -> None:
    layouts.write_layout(store, image(store, odd_headers()), tmp_path / "layout", ["localhost/x:latest"])
    with storage.shown(f"oci:{tmp_path / 'layout'}:localhost/x:latest") as view:
        assert owners(view) == ODD
        assert os.getxattr(view / "e", "user.k") == b"v"


@pytest.mark.parametrize("name", REFUSED)
def test_what_nobody_unpacks_is_refused(store: Store, name: str) -> None:
    with pytest.raises(DocumentError):
        unpacked(store, image(store, BELOW, REFUSED[name]))


def test_the_first_layer_removes_nothing(store: Store) -> None:
    top = unpacked(store, image(store, ("d/n", "d/.wh.x", "d/.wh..wh..opq", ".wh.y")))
    with shown(store, top) as view:
        assert listing(view) == {"d": "/", "d/n": ""}
    assert os.listdir(store.snapshots.changes(top) / "d") == ["n"]
