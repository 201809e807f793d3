"""An image whose layers are compressed otherwise: the same archives, another digest."""

from __future__ import annotations

import gzip
import json
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from lading.store.archives.compression import Compression
from lading.store.archives.layers import write_layer
from lading.store.archives.trees import scan
from lading.store.content.blobs import read_blob, write_blob
from lading.store.errors import DocumentError, MachineError
from lading.store.exchange import layouts
from lading.store.exchange.convert import convert
from lading.store.exchange.export import Saved, write_archive
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import (
    CONFIG,
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_MANIFEST,
    LAYER,
    LAYER_GZIP,
    LAYER_ZSTD,
    MANIFEST,
    Index,
    Manifest,
)
from lading.store.oci.json import canonical
from lading.store.store import Store
from suites.images import put_image, put_index, put_manifest, put_referrer
from suites.machine import needs
from suites.small_disk import small_disk

APP = "docker.io/library/app:latest"
FORMS: list[Compression] = ["gzip", "zstd", "none"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "root")


def manifest_of(store: Store, descriptor: Descriptor) -> Manifest:
    found = store.document(descriptor)
    assert isinstance(found, Manifest)
    for part in (found.config, *found.layers):
        assert len(read_blob(store.blobs, part.digest)) == part.size
    return found


@pytest.mark.parametrize("wanted", FORMS)
@pytest.mark.parametrize("written", FORMS)
def test_every_form_becomes_every_other(
    store: Store, tmp_path: Path, written: Compression, wanted: Compression
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("content" * 1000)
    layer = write_layer(scan(source), store.blobs, compression=written)
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id)]}}
    image = put_manifest(store, canonical(config), CONFIG, [layer.descriptor.json()], annotations={"kept": "x"})
    put_referrer(store, image, b"signed")
    converted = convert(store, image, wanted)
    assert (converted == image) is (written == wanted)
    found = manifest_of(store, converted)
    assert [part.media_type for part in found.layers] == [
        {"gzip": LAYER_GZIP, "zstd": LAYER_ZSTD, "none": LAYER}[wanted]
    ]
    assert found.config == manifest_of(store, image).config
    assert found.annotations == {"kept": "x"}
    assert bool(store.referrers(converted.digest)) is (converted == image)
    assert convert(store, converted, wanted) == converted
    # The same layer written so in the first place has the same bytes.
    assert found.layers[0] == write_layer(scan(source), store.blobs, compression=wanted).descriptor


def test_an_index_has_the_children_that_are_here(store: Store) -> None:
    one, two = put_image(store, b"a" * 600), put_image(store, b"b" * 600)
    attested = Descriptor(MANIFEST, two.digest, two.size, {"vnd.docker.reference.digest": str(one.digest)})
    index = put_index(store, one, two, attested, missing=[Descriptor(MANIFEST, Digest.of(b"elsewhere"), 9)])
    document = store.document(convert(store, index, "gzip"))
    assert isinstance(document, Index)
    assert [child.digest for child in document.manifests] == [
        convert(store, child, "gzip").digest for child in (one, two)
    ]


def test_dockers_types_become_ocis_where_something_changes(store: Store) -> None:
    packed, plain = gzip.compress(b"a" * 600), b"b" * 600
    diff_ids = [str(Digest.of(b"a" * 600)), str(Digest.of(plain))]
    config = canonical({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    layers = [
        Descriptor(DOCKER_LAYER, write_blob(store.blobs, packed), len(packed)).json(),
        Descriptor(LAYER, write_blob(store.blobs, plain), len(plain)).json(),
    ]
    value = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": Descriptor(DOCKER_CONFIG, write_blob(store.blobs, config), len(config)).json(),
        "layers": layers,
    }
    converted = convert(store, store.put_manifest(canonical(value), DOCKER_MANIFEST), "gzip")
    found = manifest_of(store, converted)
    assert (converted.media_type, found.config.media_type) == (MANIFEST, CONFIG)
    assert [part.media_type for part in found.layers] == [LAYER_GZIP, LAYER_GZIP]
    assert found.layers[0].digest == Digest.of(packed)


def test_a_layer_that_is_another_archive_is_refused(store: Store) -> None:
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(b"x"))]}}
    layer = Descriptor(LAYER, write_blob(store.blobs, b"y" * 600), 600)
    before = set(store.blobs)
    image = put_manifest(store, canonical(config), CONFIG, [layer.json()])
    with pytest.raises(DocumentError, match="is not the archive"):
        convert(store, image, "gzip")
    assert len(set(store.blobs) - before) == 2  # the config and the manifest: nothing of the layer was kept


def put_repeated(store: Store, piece: bytes, times: int) -> Descriptor:
    """An image of one layer, of a few bytes in gzip's form: `piece` so many times."""
    packed = gzip.compress(piece) * times
    whole = sha256()
    for _ in range(times):
        whole.update(piece)
    diff_ids = [f"sha256:{whole.hexdigest()}"]
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    layer = Descriptor(LAYER_GZIP, write_blob(store.blobs, packed), len(packed))
    return put_manifest(store, canonical(config), CONFIG, [layer.json()])


def test_what_may_be_unpacked_may_be_converted_and_saved(store: Store, tmp_path: Path) -> None:
    image = put_repeated(store, bytes(1 << 26), 17)  # more than a gibibyte of zeros, a thousand to one
    converted = manifest_of(store, convert(store, image, "zstd"))
    assert converted.layers[0].size < 1 << 20
    written = 0

    def count(data: bytes | memoryview) -> None:
        nonlocal written
        written += len(data)

    write_archive(store, [Saved(image, (APP,))], count, "docker")
    assert written > 17 << 26


def test_what_may_not_be_unpacked_is_not_read_to_its_end(store: Store, tmp_path: Path) -> None:
    image = put_repeated(store, bytes(1 << 26), 17)
    with Store.open(store.root, max_layer=1) as strict:
        for write in (
            lambda: convert(strict, image, "zstd"),
            lambda: write_archive(strict, [Saved(image, (APP,))], len, "docker"),
        ):
            with pytest.raises(DocumentError, match="larger than allowed") as caught:
                write()
            assert caught.value.remedy is not None and caught.value.remedy.name == "raise limit"


@needs("root")
def test_a_disk_is_not_filled_by_what_unpacks_to_more_than_it_holds(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "8m") as place, Store.open(place / "root") as store:
        image = put_repeated(store, b"x" * (1 << 22), 4)
        blobs = set(store.blobs)
        for write in (
            lambda: convert(store, image, "none"),
            lambda: write_archive(store, [Saved(image, (APP,))], len, "docker"),
        ):
            with pytest.raises(MachineError, match="no room for it on the disk"):
                write()
        assert set(store.blobs) == blobs


@needs("skopeo")
@pytest.mark.parametrize("wanted", ["gzip", "none"])
def test_skopeo_takes_what_was_converted(store: Store, tmp_path: Path, wanted: Compression) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("content")
    layer = write_layer(scan(source), store.blobs)
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id)]}}
    image = put_manifest(store, canonical(config), CONFIG, [layer.descriptor.json()])
    layouts.write_oci_archive(store, convert(store, image, wanted), tmp_path / "a.tar", [APP])
    copy = [
        "skopeo",
        "copy",
        "-q",
        f"oci-archive:{tmp_path / 'a.tar'}:{APP}",
        f"docker-archive:{tmp_path / 'b.tar'}:{APP}",
    ]
    subprocess.run(copy, check=True, capture_output=True)
    ((names, found),) = layouts.read_archive(store, tmp_path / "b.tar")
    assert names == (APP,)
    assert store.config(manifest_of(store, found)).diff_ids == (layer.diff_id,)


@pytest.mark.parametrize("form", ["oci", "both", "docker"])
def test_an_archive_of_a_broken_blob_has_no_end(store: Store, form: str) -> None:
    image = put_image(store, b"layer" * 1000)
    (layer,) = manifest_of(store, image).layers
    path = store.blobs.path(layer.digest)
    path.chmod(0o644)
    path.write_bytes(b"LAYER" * 1000)
    written: list[bytes] = []
    with pytest.raises(DocumentError):
        write_archive(store, [Saved(image, (APP,))], lambda data: written.append(bytes(data)), form)  # type: ignore[arg-type]
    assert not b"".join(written).endswith(bytes(1024))


def test_several_images_share_an_archive(store: Store, tmp_path: Path) -> None:
    one, two = put_image(store, b"shared", b"one"), put_image(store, b"shared", b"two")
    for form in ("oci", "both", "docker"):
        written: list[bytes] = []
        images = [Saved(one, (APP, "localhost/one:1")), Saved(two)]
        write_archive(store, images, lambda data: written.append(bytes(data)), form)  # type: ignore[arg-type] # noqa: B023
        (tmp_path / form).write_bytes(b"".join(written))
        with Store.open(tmp_path / f"root-{form}") as other:
            found = layouts.read_archive(other, tmp_path / form)
            assert [names for names, _ in found] == [(APP, "localhost/one:1"), ()]
            layers = [[part.digest for part in manifest_of(other, image).layers] for _, image in found]
            assert layers == [[part.digest for part in manifest_of(store, image).layers] for image in (one, two)]
    listed = json.loads(subprocess.run(["tar", "-xOf", tmp_path / "both", "manifest.json"], capture_output=True).stdout)
    assert [entry["RepoTags"] for entry in listed] == [[APP, "localhost/one:1"], None]
