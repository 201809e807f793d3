"""What other tools write for us is what we read; what is not what it says is refused."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lading.store.archives.layers import write_layer
from lading.store.archives.trees import scan
from lading.store.content.blobs import read_blob
from lading.store.errors import DocumentError, InputError, MachineError
from lading.store.exchange import layouts
from lading.store.gc import collect
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import CONFIG, INDEX, LAYER, MANIFEST, Manifest
from lading.store.oci.json import canonical
from lading.store.store import Store
from suites.images import put_image, put_index, put_manifest, put_referrer, remove
from suites.machine import needs

APP = "docker.io/library/app:latest"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "root") as store:
        yield store


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Store]:
    """The store that reads."""
    with Store.open(tmp_path / "other") as store:
        yield store


@pytest.fixture
def image(store: Store, tmp_path: Path) -> Descriptor:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/file").write_text("content")
    layer = write_layer(scan(tmp_path / "source"), store.blobs, compression="gzip")  # docker's form knows no zstd
    config = {
        "os": "linux",
        "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id)]},
        "config": {"Cmd": ["/file"]},
    }
    return put_manifest(store, canonical(config), CONFIG, [layer.descriptor.json()])


def whole(store: Store, descriptor: Descriptor) -> Manifest:
    """The manifest of a descriptor, all of it read and verified."""
    manifest = store.document(descriptor)
    assert isinstance(manifest, Manifest)
    for part in (manifest.config, *manifest.layers):
        assert len(read_blob(store.blobs, part.digest)) == part.size
    assert len(store.config(manifest).diff_ids) == len(manifest.layers)
    return manifest


def test_a_layout_with_evidence_of_both_forms(store: Store, other: Store, image: Descriptor, tmp_path: Path) -> None:
    index = put_index(store, image, missing=[Descriptor(MANIFEST, Digest.of(b"elsewhere"), 9)])
    evidence = put_referrer(store, index, b"signed")
    again = put_referrer(store, evidence, b"countersigned")
    old = put_manifest(store, b"{}", CONFIG)
    tag = f"sha256-{image.digest.hex}.sig"
    store.put_manifest(store.document(old).raw, MANIFEST, tag=tag)
    for kind in ("folder", "archive"):
        place = tmp_path / kind
        if kind == "folder":
            layouts.write_layout(store, index, place, [APP, "b"], evidence=True)
            found = layouts.read_layout(other, place)
        else:
            layouts.write_oci_archive(store, index, place, [APP, "b"], evidence=True)
            found = layouts.read_archive(other, place)
        assert found == [((APP, "b"), index)]
        other.tag(APP, index)
        collect(other)
        whole(other, image)
        assert [item.digest for item in other.referrers(index.digest)] == [evidence.digest]
        assert [item.digest for item in other.referrers(evidence.digest)] == [again.digest]
        assert other.legacy_tags(image.digest) == {tag: old.digest}
        remove(other, APP)
        collect(other)
        assert list(other.blobs) == []


def test_a_docker_archive_of_ours(store: Store, other: Store, image: Descriptor, tmp_path: Path) -> None:
    layouts.write_docker_archive(store, image, tmp_path / "a.tar", ["app:latest", "b:1"])
    ((names, found),) = layouts.read_archive(other, tmp_path / "a.tar")
    assert names == ("app:latest", "b:1")
    manifest = whole(other, found)
    assert [layer.media_type for layer in manifest.layers] == [LAYER]
    assert [layer.digest for layer in manifest.layers] == list(other.config(manifest).diff_ids)
    assert layouts.read_docker_archive(other, tmp_path / "a.tar")[0][1] == found


def archive(place: Path, files: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    with tarfile.open(place, "w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return place


def docker_files(layer: bytes, diff_id: Digest | None = None, **changes: object) -> dict[str, bytes]:
    config = {"os": "linux", "architecture": "amd64"}
    diff_ids = [str(diff_id or Digest.of(layer))]
    entry: dict[str, Any] = {"Config": "c.json", "RepoTags": ["app:1"], "Layers": ["l/layer.tar"], **changes}
    return {
        "c.json": json.dumps({**config, "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode(),
        "l/layer.tar": layer,
        "manifest.json": json.dumps([entry]).encode(),
    }


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_docker_archive_with_links_and_compressed_throughout(
    store: Store, tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    inner = b"layer" * 1000
    files = docker_files(gzip.compress(inner), Digest.of(inner), Layers=["./x/layer.tar"])
    plain = archive(tmp_path / "a.tar", files, {"x/layer.tar": "../l/layer.tar", "loop": "loop"})
    packed = tmp_path / "packed"
    packed.write_bytes(pack(plain.read_bytes()))
    found = [layouts.read_archive(store, file)[0] for file in (plain, packed)]
    assert found[0] == found[1]
    (layer,) = whole(store, found[0][1]).layers
    assert layer == Descriptor(LAYER, Digest.of(inner), len(inner))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (docker_files(b"x", Digest.of(b"y")), "is not the archive sha256:"),
        (docker_files(b"x", Layers=[]), "0 layers, but the config lists 1"),
        (docker_files(b"x", Layers=["../../etc/passwd"]), "holds no file"),
        (docker_files(b"x", Config=7), "Config: expected a string"),
        ({"manifest.json": b"{}"}, "expected an array"),
        ({"manifest.json": b"[[]]"}, "expected an object"),
        ({"blobs/sha256/" + "0" * 64: b"x"}, "the content has the digest"),
        ({"blobs/sha256/zz": b"x"}, "not a digest"),
        ({"oci-layout": b"", "index.json": b"[]"}, "expected an object"),
        ({"oci-layout": b"", "index.json": b'{"manifests":[{"mediaType":"a"}]}'}, "size: missing"),
        ({"file": b""}, "neither an OCI image layout nor docker's archive"),
    ],
)
def test_archives_that_are_not_what_they_say(store: Store, tmp_path: Path, files: dict[str, bytes], words: str) -> None:
    with pytest.raises((DocumentError, InputError), match=words) as caught:
        layouts.read_archive(store, archive(tmp_path / "a.tar", files))
    assert "\n" not in str(caught.value)
    collect(store)
    assert list(store.blobs) == []


def test_what_an_archive_lacks_is_not_taken_from_the_store(store: Store, image: Descriptor, tmp_path: Path) -> None:
    index = canonical({"schemaVersion": 2, "manifests": [image.json()]})
    with pytest.raises(DocumentError, match=r"not in .*a\.tar"):
        layouts.read_archive(store, archive(tmp_path / "a.tar", {"oci-layout": b"{}", "index.json": index}))


def test_places_that_hold_nothing(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not an OCI image layout"):
        layouts.read_layout(store, tmp_path)
    with pytest.raises(MachineError, match="No such file"):
        layouts.read_archive(store, tmp_path / "nothing.tar")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_archive_that_ends_too_soon(store: Store, tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(archive(tmp_path / "a.tar", docker_files(b"layer" * 1000)).read_bytes())
    (tmp_path / "packed").write_bytes(packed[:-20])
    with pytest.raises(DocumentError, match=r"ends too (soon|early)"):
        layouts.read_archive(store, tmp_path / "packed")


def test_a_layout_that_lies(store: Store, other: Store, tmp_path: Path) -> None:
    image = put_image(store, b"layer")
    folder = tmp_path / "layout"
    layouts.write_layout(store, image, folder, [APP])
    place = folder / "blobs/sha256" / Digest.of(b"layer").hex
    place.unlink()
    with pytest.raises(DocumentError, match="not in"):
        layouts.read_layout(other, folder)
    place.write_bytes(b"LAYER")
    with pytest.raises(DocumentError, match="was changed"):
        layouts.read_layout(other, folder)
    place.write_bytes(b"longer than said")
    with pytest.raises(DocumentError, match="has 16 bytes, but its descriptor says 5"):
        layouts.read_layout(other, folder)


def test_indexes_within_indexes_have_an_end(store: Store, other: Store, tmp_path: Path) -> None:
    nested = put_image(store, b"layer")
    for _ in range(6):
        nested = put_index(store, nested, nested)
    assert nested.media_type == INDEX
    layouts.write_layout(store, nested, tmp_path / "layout", [APP])
    with pytest.raises(DocumentError, match="deep in others"):
        layouts.read_layout(other, tmp_path / "layout")


@needs("skopeo")
@pytest.mark.parametrize("kind", ["oci", "oci-archive", "docker-archive"])
def test_what_skopeo_writes(store: Store, other: Store, image: Descriptor, tmp_path: Path, kind: str) -> None:
    layouts.write_layout(store, image, tmp_path / "ours", [APP])
    place = tmp_path / "theirs"
    argv = ["skopeo", "copy", "-q", f"oci:{tmp_path / 'ours'}:{APP}", f"{kind}:{place}:app:1"]
    subprocess.run(argv, check=True, capture_output=True)
    read = layouts.read_layout if kind == "oci" else layouts.read_archive
    ((names, found),) = read(other, place)
    assert [name.removeprefix("docker.io/library/") for name in names] == ["app:1"]
    config = other.config(whole(other, found))
    assert config.cmd == ("/file",)
    if kind != "docker-archive":
        assert found == image


@needs("podman", "root")
@pytest.mark.parametrize("kind", ["oci-archive", "oci-dir", "docker-archive"])
def test_what_podman_writes(store: Store, other: Store, image: Descriptor, tmp_path: Path, kind: str) -> None:
    layouts.write_oci_archive(store, image, tmp_path / "ours", [APP])
    place = tmp_path / "theirs"
    with tempfile.TemporaryDirectory() as short:  # podman takes no long path
        podman = ["podman", "--root", f"{short}/p", "--runroot", f"{short}/r", "--storage-driver", "vfs"]
        subprocess.run([*podman, "load", "-q", "-i", str(tmp_path / "ours")], check=True, capture_output=True)
        subprocess.run([*podman, "save", "--format", kind, "-o", str(place), APP], check=True, capture_output=True)
    read = layouts.read_layout if kind == "oci-dir" else layouts.read_archive
    ((names, found),) = read(other, place)
    assert names == (APP,)
    assert other.config(whole(other, found)).cmd == ("/file",)
