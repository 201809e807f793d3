"""Snapshots, seals, layers and unpacking, as root on a real kernel."""

from __future__ import annotations

import os
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from lading.store.archives.layer_limits import Limits
from lading.store.archives.layers import EPOCH, Layer, apply_layer, normalise_times, write_layer
from lading.store.archives.trees import OVERLAY, Marks, capture, scan
from lading.store.content.blobs import read_blob, write_blob
from lading.store.content.memory import MemoryBlobs
from lading.store.errors import DocumentError
from lading.store.gc import collect
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import CONFIG, LAYER_GZIP, Manifest
from lading.store.oci.json import canonical
from lading.store.snapshots.copies import CopySnapshotter
from lading.store.snapshots.overlay import OverlaySnapshotter
from lading.store.snapshots.snapshots import Snapshots
from lading.store.snapshots.snapshotter import Snapshotter
from lading.store.snapshots.unpack_layers import repair, unpack, unpack_layers
from lading.store.store import Store
from suites import dying
from suites.dying import killed
from suites.images import put_manifest, remove
from suites.machine import needs
from suites.snapshots import SnapshotsContract, mounted
from suites.trees import make, seen

pytestmark = needs("root", "overlay")

FILES = [
    ((b"usr", b"bin"), b"app", "file", 0o4755, 0, b"binary", True),
    ((b"usr",), b"lib", "symlink", 0, 0, b"bin", False),
    ((b"etc",), b"conf", "file", 0o640, 1000, b"key=value", False),
    ((b"etc",), b"same", "hardlink", 0, 0, b"", False),
    ((b"dev",), b"null", "device", 0o666, 0, b"", False),
]


KINDS: list[type[Snapshotter]] = [OverlaySnapshotter, CopySnapshotter]


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    found = Store.open(tmp_path / "root")
    found.snapshots = Snapshots(found.root, found.index, request.param())
    return found


class TestSnapshots(SnapshotsContract):
    @pytest.fixture
    def snapshots(self, store: Store) -> Snapshots:
        self.folder = store.root / "snapshots"
        return store.snapshots


def image(store: Store, *folders: Path, compression: str = "zstd") -> Manifest:
    """An image with a layer for each folder, the upper folders of overlays."""
    return image_of(store, *(layer(store, folder, compression) for folder in folders))


def layer(store: Store, folder: Path, compression: str = "zstd", marks: Marks = OVERLAY) -> Layer:
    return write_layer(capture(folder, marks), store.blobs, compression=compression)  # type: ignore[arg-type]


def image_of(store: Store, *layers: Layer) -> Manifest:
    config = {
        "os": "linux",
        "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id) for layer in layers]},
    }
    descriptor = put_manifest(store, canonical(config), CONFIG, [layer.descriptor.json() for layer in layers])
    document = store.document(descriptor)
    assert isinstance(document, Manifest)
    return document


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
def test_a_layer_gives_back_what_it_was_made_of(tmp_path: Path, compression: str) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    make(source, FILES)
    blobs = MemoryBlobs()
    layer = write_layer(scan(source), blobs, compression=compression)  # type: ignore[arg-type]
    assert blobs.size(layer.descriptor.digest) == layer.descriptor.size
    apply_layer(blobs, layer.descriptor, layer.diff_id, target)
    assert seen(target) == seen(source)
    assert layer.tree == scan(target).root()
    normalise_times(source)
    assert seen(target, times=True) == seen(source, times=True)
    assert os.stat(target / "usr/bin/app").st_mtime == EPOCH


def test_a_blob_of_another_archive_is_refused(tmp_path: Path) -> None:
    blobs = MemoryBlobs()
    layer = write_layer(scan(tmp_path), blobs)
    with pytest.raises(DocumentError, match="but the image's config says"):
        apply_layer(blobs, layer.descriptor, Digest.of(b"another"), tmp_path)


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    stream = BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        info = tarfile.TarInfo("zeros")
        info.size = 2 * 1024**3
        archive.addfile(tarfile.TarInfo("small"))
        header = info.tobuf()
    # A header that promises two gibibytes is enough: nothing of it need be there.
    import gzip

    data = gzip.compress(header)
    blobs = MemoryBlobs()
    descriptor = Descriptor(LAYER_GZIP, write_blob(blobs, data), len(data))
    with pytest.raises(DocumentError, match="more than 1073741824 bytes") as caught:
        apply_layer(blobs, descriptor, Digest.of(b""), tmp_path, limits=Limits(size=1 << 30))
    assert caught.value.remedy is not None and caught.value.remedy.name == "raise limit"


def test_upper_folders_become_layers_and_layers_the_same_view(store: Store, tmp_path: Path) -> None:
    where = tmp_path / "mnt"
    snapshots = store.snapshots
    snapshots.prepare("base", None)
    with mounted(snapshots, "base", where) as root:
        make(root, FILES)
        (root / "old").mkdir()
        (root / "old/file").touch()
        (root / "link").symlink_to("usr")
    layers = [layer(store, snapshots.changes("base"), marks=snapshots.marks)]
    snapshots.commit("base", "base")
    snapshots.prepare("change", "base")
    with mounted(snapshots, "change", where) as root:
        (root / "etc/conf").unlink()
        (root / "usr/bin/new").write_text("new")
        subprocess.run(["rm", "-r", root / "old"], check=True)
        (root / "old").mkdir()
        (root / "old/fresh").touch()
        (root / "link").unlink()
        (root / "link").mkdir()
    layers.append(layer(store, snapshots.changes("change"), marks=snapshots.marks))
    manifest = image_of(store, *layers)
    snapshots.commit("change", "change")
    with mounted(snapshots, "change", where, readonly=True) as root:
        expected = seen(root)
    top = unpack(snapshots, store.blobs, manifest, store.config(manifest))
    assert top is not None
    with mounted(snapshots, top, where, readonly=True) as root:
        assert seen(root) == expected
    snapshots.check(top)


def test_what_lies_unpacked_is_used_for_its_own_layers_only(store: Store, tmp_path: Path) -> None:
    """A manifest of good layers and a config with the diff IDs of others names no image, whatever lies unpacked."""
    for name in ("good", "evil"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    good, evil = (image(store, tmp_path / name) for name in ("good", "evil"))
    config = read_blob(store.blobs, evil.config.digest)
    mixed = store.document(put_manifest(store, config, CONFIG, [layer.json() for layer in good.layers]))
    assert isinstance(mixed, Manifest)
    for before in (good, evil):
        unpack(store.snapshots, store.blobs, before, store.config(before))
        with pytest.raises(DocumentError, match="the image's config says"):
            unpack(store.snapshots, store.blobs, mixed, store.config(mixed))


def test_other_blobs_of_the_same_archive_share_what_is_unpacked(store: Store, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").touch()
    tree = scan(tmp_path / "tree")
    layers = [write_layer(tree, store.blobs, compression=compression) for compression in ("gzip", "zstd")]
    snapshots = store.snapshots
    tops = {unpack_layers(snapshots, store.blobs, [(layer.descriptor, layer.diff_id)]) for layer in layers}
    assert len(tops) == 1
    assert snapshots.diff_ids.known(layers[1].descriptor, layers[1].diff_id)
    store.forget([layers[1].descriptor.digest])
    assert not snapshots.diff_ids.known(layers[1].descriptor, layers[1].diff_id)


def test_unpacking_twice_and_anew(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    make(source, FILES)
    manifest = image(store, source)
    config = store.config(manifest)
    name = unpack(store.snapshots, store.blobs, manifest, config)
    assert name is not None
    found = store.snapshots.stat(name)
    assert found is not None
    (store.root / "snapshots" / found.folder / "fs/etc/conf").write_text("tampered")
    assert unpack(store.snapshots, store.blobs, manifest, config) == name
    with pytest.raises(DocumentError, match="etc/conf"):
        store.snapshots.check(name)
    assert repair(store.snapshots, store.blobs, manifest, config) == name
    store.snapshots.check(name)


def test_a_changed_blob_is_noticed_by_its_seal(store: Store, tmp_path: Path) -> None:
    digest = write_blob(store.blobs, b"content")
    store.seals.check(digest)
    path = store.blobs.path(digest)
    os.utime(path)
    store.seals.check(digest)  # touched, hashed again, right
    path.chmod(0o644)
    path.write_bytes(b"Content")
    os.utime(path, (0, 0))
    for _ in range(2):
        with pytest.raises(DocumentError, match="was changed"):
            store.seals.check(digest)


def test_collecting_removes_snapshots_of_images_that_went(store: Store, tmp_path: Path) -> None:
    for name in ("shared", "one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
    first, second = (
        image(store, tmp_path / "shared", tmp_path / "one"),
        image(store, tmp_path / "shared", tmp_path / "two"),
    )
    store.tag("example.com/first:1", first.descriptor)
    store.tag("example.com/second:1", second.descriptor)
    tops = [unpack(store.snapshots, store.blobs, manifest, store.config(manifest)) for manifest in (first, second)]
    remove(store, "example.com/first:1")
    assert collect(store).snapshots == (tops[0],)
    assert tops[1] is not None
    store.snapshots.check(tops[1])
    remove(store, "example.com/second:1")
    collect(store)
    assert list((store.root / "snapshots").iterdir()) == []


_UNPACK = """
import sys
from pathlib import Path
from lading.store.store import Store
from lading.store.oci.digests import Digest
from lading.store.oci.descriptors import Descriptor
from lading.store.snapshots.unpack_layers import unpack
store = Store.open(Path(sys.argv[1]))
manifest = store.document(store.reference("example.com/app:1").descriptor)
print(unpack(store.snapshots, store.blobs, manifest, store.config(manifest)))
"""


def test_killed_while_unpacking(store: Store, tmp_path: Path) -> None:
    base, top = tmp_path / "base", tmp_path / "top"
    for folder in (base, top):
        folder.mkdir()
        for number in range(3000):
            (folder / f"{folder.name}{number}").write_text(str(number))
    manifest = image(store, base, top)
    store.tag("example.com/app:1", manifest.descriptor)
    for at in (300, 1500, 3500, 5500):  # steps: a file is one at least
        assert killed(dying.start(_UNPACK, store.root, at=at))
    collect(store)
    assert len(list((store.root / "snapshots").iterdir())) <= 2
    assert str(store.root) not in Path("/proc/self/mounts").read_text()
    name = unpack(store.snapshots, store.blobs, manifest, store.config(manifest))
    assert name is not None
    store.snapshots.check(name)
    with mounted(store.snapshots, name, tmp_path / "mnt", readonly=True) as root:
        assert len(list(root.iterdir())) == 6000


@pytest.mark.parametrize("readonly", [True, False])
def test_more_layers_than_the_options_of_a_mount_fit_into_a_page(store: Store, tmp_path: Path, readonly: bool) -> None:
    parent = None
    for number in range(120):
        store.snapshots.prepare("work", parent)
        (store.snapshots.changes("work") / str(number)).touch()
        store.snapshots.commit("work", f"layer{number}")
        parent = f"layer{number}"
    store.snapshots.prepare("top", parent)
    with mounted(store.snapshots, "top", tmp_path / "mnt", readonly=readonly) as root:
        assert len(list(root.iterdir())) == 120
        if not readonly:
            (root / "new").touch()
    assert (store.snapshots.changes("top") / "new").exists() is not readonly
