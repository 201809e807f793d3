"""Whatever tree is written as a layer, everybody reads back: we, tar, umoci and containers/storage."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lading.store.archives.layer_limits import Limits
from lading.store.archives.layers import write_layer
from lading.store.archives.trees import Entry, Tree, scan
from lading.store.archives.writer import write_tar
from lading.store.content.memory import MemoryBlobs
from lading.store.errors import InputError
from lading.store.exchange import layouts
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import CONFIG, Manifest
from lading.store.snapshots.unpack_layers import unpack
from lading.store.store import Store
from lading.store.system.removal import remove_tree
from suites.changes import View, shown
from suites.containers_storage import ContainersStorage, containers_storage
from suites.images import put_manifest
from suites.machine import needs
from suites.odd_trees import ODD, Odd, make
from suites.trees import seen

pytestmark = needs("root", "overlay")
NAME = "localhost/x:latest"


@pytest.fixture(scope="module")
def storage() -> Iterator[ContainersStorage]:
    with containers_storage() as storage:
        yield storage


def image(store: Store, folder: Path, compression: str) -> Descriptor:
    layer = write_layer(scan(folder), store.blobs, compression=compression)  # type: ignore[arg-type]
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id)]}}
    return put_manifest(store, json.dumps(config).encode(), CONFIG, [layer.descriptor.json()])


@contextmanager
def unpacked(store: Store, descriptor: Descriptor) -> Iterator[Path]:
    manifest = store.document(descriptor)
    assert isinstance(manifest, Manifest)
    top = unpack(store.snapshots, store.blobs, manifest, store.config(manifest))
    assert top is not None
    with shown(store, top) as view:
        yield view


def differing(one: View, other: View) -> dict[bytes, tuple[object, object]]:
    paths = one.keys() | other.keys()
    return {path: (one.get(path), other.get(path)) for path in sorted(paths) if one.get(path) != other.get(path)}


def run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@needs("gnu-tar")
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(entries=st.lists(ODD, max_size=15))
def test_here_and_by_tar(entries: list[Odd]) -> None:
    with tempfile.TemporaryDirectory() as name:
        source, theirs = Path(name, "source"), Path(name, "theirs")
        source.mkdir()
        theirs.mkdir()
        make(source, entries)
        expected = seen(source)
        with Store.open(Path(name, "root")) as store, unpacked(store, image(store, source, "zstd")) as view:
            assert not differing(seen(view), expected)
        archive = Path(name, "archive")
        with archive.open("wb") as stream:
            write_tar(scan(source), stream.write, 0)
        flags = ["--xattrs", "--xattrs-include=*", "--numeric-owner", "--same-owner", "-p"]
        subprocess.run(["tar", "-x", *flags, "-C", theirs, "-f", archive], check=True, capture_output=True)
        assert not differing(seen(theirs), expected)


@needs("umoci", "podman")
@settings(max_examples=4, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(entries=st.lists(ODD, min_size=20, max_size=60))
def test_by_umoci_and_containers_storage(
    storage: ContainersStorage, tmp_path_factory: pytest.TempPathFactory, entries: list[Odd]
) -> None:
    name = tmp_path_factory.mktemp("umoci")  # podman takes no path with a name that ends as random ones may
    source, layout = Path(name, "source"), Path(name, "layout")
    source.mkdir()
    make(source, entries)
    expected = seen(source)
    with Store.open(Path(name, "root")) as store:
        layouts.write_layout(store, image(store, source, "gzip"), layout, ["x"])
    run("umoci", "unpack", "--image", f"{layout}:x", f"{name}/bundle")
    assert not differing(seen(Path(name, "bundle/rootfs")), expected)
    with storage.shown(f"oci:{layout}:x") as view:
        assert not differing(seen(view), expected)


def test_a_file_that_is_nearly_all_hole(tmp_path: Path) -> None:
    """As `lastlog` where somebody has a large user id: what packs 20,000 to one is unpacked, and costs no disk."""
    size = 3 << 30
    source = tmp_path / "source"
    source.mkdir()
    with (source / "lastlog").open("wb") as file:
        file.truncate(size)
        file.seek(size // 2)
        file.write(b"somebody")
    with Store.open(tmp_path / "root") as store:
        descriptor = image(store, source, "zstd")
        manifest = store.document(descriptor)
        assert isinstance(manifest, Manifest)
        assert manifest.layers[0].size * 20_000 < size
        with unpacked(store, descriptor) as view:
            info = (view / "lastlog").stat()
            assert info.st_size == size
            assert info.st_blocks * 512 <= 1 << 20
            with (view / "lastlog").open("rb") as file:
                file.seek(size // 2)
                assert file.read(9) == b"somebody\0"


def test_a_path_as_deep_as_paths_go(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    place = os.open(source, os.O_RDONLY)
    for _ in range(1700):
        os.mkdir("d", dir_fd=place)
        inside = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inside
    os.close(place)
    try:
        with Store.open(tmp_path / "root") as store, unpacked(store, image(store, source, "zstd")) as view:
            assert len(scan(view).entries) == 1700
    finally:
        for place in (source, tmp_path / "root"):
            remove_tree(place)  # pytest would recurse


@pytest.mark.parametrize(
    ("limits", "entries", "epoch", "complaint"),
    [
        (Limits(entries=1), [Entry(b"a", "fifo"), Entry(b"b", "fifo")], 0, "more than 1 entries"),
        (Limits(size=1), [Entry(b"a", "file", size=2)], 0, "more than 1 bytes of files"),
        (Limits(paths=3), [Entry(b"a" * 4, "directory")], 0, "bytes of names"),
        (Limits(), [Entry(b"a/" * 1919 + b"a", "fifo")], 0, "a path of more than"),
        (Limits(), [Entry(b"a", "fifo", xattrs=(("user.a", bytes(2**20)),))], 0, "extended attributes"),
        (Limits(), [], -1, "times from 1970"),
        (Limits(), [], 2**33, "times from 1970"),
    ],
)
def test_what_nobody_reads_is_not_written(limits: Limits, entries: list[Entry], epoch: int, complaint: str) -> None:
    blobs = MemoryBlobs()
    with pytest.raises(InputError, match=complaint):
        write_layer(Tree(b"/nowhere", entries), blobs, epoch=epoch, limits=limits)
