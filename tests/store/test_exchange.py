"""What we write for other tools is what they read."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from lading.store.archives.layers import write_layer
from lading.store.archives.trees import scan
from lading.store.errors import InputError, MachineError
from lading.store.exchange import layouts
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import CONFIG
from lading.store.oci.json import canonical
from lading.store.store import Store
from suites.images import put_index, put_manifest, put_referrer
from suites.machine import needs

APP = "docker.io/library/app:latest"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "root")


@pytest.fixture
def image(store: Store, tmp_path: Path) -> Descriptor:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("content")
    layer = write_layer(scan(source), store.blobs)
    config = {
        "os": "linux",
        "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id)]},
        "config": {"Cmd": ["/file"]},
    }
    descriptor = put_manifest(store, canonical(config), CONFIG, [layer.descriptor.json()])
    store.tag(APP, descriptor)
    return descriptor


def entries(folder: Path) -> list[dict]:
    return json.loads((folder / "index.json").read_text())["manifests"]


def test_a_layout_holds_the_image_alone_or_with_its_evidence(store: Store, image: Descriptor, tmp_path: Path) -> None:
    put_referrer(store, image, b"signed")
    layouts.write_layout(store, image, tmp_path / "alone", [APP])
    assert len(list((tmp_path / "alone/blobs/sha256").iterdir())) == 3
    layouts.write_layout(store, image, tmp_path / "both", [APP], evidence=True)
    assert len(list((tmp_path / "both/blobs/sha256").iterdir())) == 6
    assert len(entries(tmp_path / "both")) == 2


def test_a_layout_is_added_to_and_a_name_moves(store: Store, image: Descriptor, tmp_path: Path) -> None:
    other = put_index(store, image)
    folder = tmp_path / "layout"
    layouts.write_layout(store, image, folder, ["a", "b"])
    layouts.write_layout(store, other, folder, ["b"])
    named = {entry["annotations"]["org.opencontainers.image.ref.name"]: entry["digest"] for entry in entries(folder)}
    assert named == {"a": str(image.digest), "b": str(other.digest)}


def test_an_archive_is_the_same_bytes_and_replaces_what_was_there(
    store: Store, image: Descriptor, tmp_path: Path
) -> None:
    one, two = tmp_path / "one.tar", tmp_path / "two.tar"
    two.write_text("old")
    for file in (one, two):
        layouts.write_oci_archive(store, image, file, [APP])
    assert one.read_bytes() == two.read_bytes()
    assert list((store.root / "tmp").iterdir()) == []


def test_an_index_is_no_docker_archive(store: Store, image: Descriptor, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds one platform"):
        layouts.write_docker_archive(store, put_index(store, image), tmp_path / "a.tar", [])


def test_a_place_that_cannot_be_written(store: Store, image: Descriptor, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"nowhere/a\.tar: No such file"):
        layouts.write_oci_archive(store, image, tmp_path / "nowhere/a.tar", [APP])


@needs("skopeo")
@pytest.mark.parametrize("kind", ["oci", "oci-archive", "docker-archive"])
def test_skopeo_reads_it(store: Store, image: Descriptor, tmp_path: Path, kind: str) -> None:
    place = tmp_path / "out"
    if kind == "oci":
        layouts.write_layout(store, image, place, [APP])
    elif kind == "oci-archive":
        layouts.write_oci_archive(store, image, place, [APP])
    else:
        layouts.write_docker_archive(store, image, place, ["app:latest"])
    name = "app:latest" if kind == "docker-archive" else APP
    said = subprocess.run(
        ["skopeo", "inspect", "--config", f"{kind}:{place}:{name}"], capture_output=True, text=True, check=True
    )
    assert json.loads(said.stdout)["config"]["Cmd"] == ["/file"]
    copied = tmp_path / "copied"
    subprocess.run(["skopeo", "copy", "-q", f"{kind}:{place}:{name}", f"dir:{copied}"], check=True, capture_output=True)
