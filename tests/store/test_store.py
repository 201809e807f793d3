"""Names, evidence, collection, and what other tools read."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lading.store.content.blobs import write_blob
from lading.store.errors import InputError, MachineError
from lading.store.gc import collect
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import EMPTY, MANIFEST, as_referrer
from lading.store.store import Store, one_image
from suites.images import blobs_of, put_image, put_index, put_manifest, put_referrer
from suites.machine import needs

APP = "docker.io/library/app:latest"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "root")


def test_a_name_survives_and_means_what_was_tagged(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        image = put_image(store, b"layer")
        store.tag(APP, image, ["registry.example.com/app:1"])
    with Store.open(tmp_path) as store:
        found = store.reference(APP)
        assert found is not None
        assert (found.descriptor, found.origins) == (image, ("registry.example.com/app:1",))
        assert store.reference("docker.io/library/other:latest") is None


def test_origins_add_up_for_one_image_and_end_with_it(store: Store) -> None:
    first, second = put_image(store, b"1"), put_image(store, b"2")
    store.tag(APP, first, ["a.example.com/app:1"])
    store.tag(APP, first, ["b.example.com/app:1"])
    assert store.references()[0].origins == ("a.example.com/app:1", "b.example.com/app:1")
    store.tag(APP, second)
    assert store.references()[0].origins == ()


def test_the_root_is_private_and_a_file_in_its_place_is_an_error(tmp_path: Path) -> None:
    Store.open(tmp_path / "root")
    assert (tmp_path / "root").stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(MachineError, match="file: Not a directory"):
        Store.open(tmp_path / "file")


def test_evidence_is_found_by_its_subject(store: Store) -> None:
    image = put_image(store, b"layer")
    evidence = put_referrer(store, image, b"signed")
    (found,) = store.referrers(image.digest)
    assert (found.digest, found.artifact_type) == (evidence.digest, "test/evidence")
    legacy = put_manifest(store, b"{}", "application/vnd.oci.image.config.v1+json")
    raw = store.document(legacy).raw
    tag = f"sha256-{image.digest.hex}.sig"
    store.put_manifest(raw, MANIFEST, tag=tag)
    assert store.legacy_tags(image.digest) == {tag: legacy.digest}
    assert {descriptor.digest for descriptor in store.referrers(image.digest)} == {evidence.digest, legacy.digest}


def test_an_image_is_found_by_the_start_of_its_digest(store: Store) -> None:
    image = put_image(store, b"layer")
    store.tag(APP, image)
    config = store.document(image).config.digest  # type: ignore[union-attr]
    assert store.find(image.digest.hex[:12]) == [image]
    assert store.find(str(image.digest)) == [image]
    assert store.find(config.hex[:12]) == [image]
    assert store.find("zz") == []
    other = put_manifest(store, store.blobs.open(config).read(), "application/vnd.oci.image.config.v1+json")
    store.tag("docker.io/library/other:latest", other)
    assert store.find(config.hex[:12]) == []  # the config of two manifests names neither
    with pytest.raises(InputError, match="could be any of 2"):
        one_image([image, other], "abc")


def test_collecting_keeps_what_is_reached_and_nothing_else(store: Store) -> None:
    kept, gone = put_image(store, b"1", b"shared"), put_image(store, b"2", b"shared")
    evidence, stale = put_referrer(store, kept, b"e1"), put_referrer(store, gone, b"e2")
    index = put_index(store, kept, missing=[Descriptor(MANIFEST, Digest.of(b"elsewhere"), 3)])
    store.tag(APP, index)
    removed = collect(store)
    here = set(store.blobs)
    assert blobs_of(store, kept) | blobs_of(store, evidence) | {index.digest} == here
    assert stale.digest in removed.blobs
    assert store.referrers(gone.digest) == ()
    assert collect(store).blobs == ()


def test_a_holder_keeps_an_image_without_a_name(store: Store) -> None:
    image = put_image(store, b"1")
    store.lease("container", [image.digest])
    collect(store)
    assert blobs_of(store, image) <= set(store.blobs)
    assert store.leaseholders(image.digest) == ["container"]
    store.release("container")
    collect(store)
    assert set(store.blobs) == set()


def test_nothing_is_collected_while_somebody_writes(tmp_path: Path) -> None:
    store, other = Store.open(tmp_path), Store.open(tmp_path)
    with other.writing():
        image = put_image(other, b"new")
        assert collect(store).deferred
        other.tag(APP, image)
    assert collect(store) == collect(store)
    assert blobs_of(store, image) <= set(store.blobs)


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["tag", "untag", "give up", "evidence", "hold", "drop", "cache", "collect", "collect given up"]
        ),
        st.integers(0, 3),
    ),
    max_size=25,
)


@settings(max_examples=25)
@given(steps=_STEPS)
def test_no_sequence_loses_what_is_here_or_needed(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder)) as store:
        named: dict[int, Descriptor] = {}
        kept: dict[Digest, Descriptor] = {}
        held: dict[int, Descriptor] = {}
        cached: set[Digest] = set()
        loose: set[Digest] = set()
        evidence: dict[Digest, set[Digest]] = {}
        for kind, number in steps:
            name = f"docker.io/library/app:{number}"
            if kind == "tag":
                image = named[number] = put_image(store, bytes([number]), b"shared")
                kept[image.digest] = image
                store.tag(name, image)
            elif kind == "untag":
                store.untag(name)
                named.pop(number, None)
            elif kind == "give up" and number not in named:
                image = put_image(store, bytes([number]), b"shared")
                store.give_up(image.digest)
                kept.pop(image.digest, None)
            elif kind == "evidence" and number in named:
                image = named[number]
                referrer = put_referrer(store, image, bytes([9, number]))
                evidence.setdefault(image.digest, set()).add(referrer.digest)
            elif kind == "hold" and number in named:
                held[number] = named[number]
                store.lease(str(number), [held[number].digest])
            elif kind == "drop":
                held.pop(number, None)
                store.release(str(number))
            elif kind == "cache":
                cached.add(write_blob(store.blobs, bytes([number])))
                row = (str(number), b"{}", str(Digest.of(bytes([number]))))
                store.index.run(
                    "INSERT OR REPLACE INTO cache (kind, key, value, used, blob) VALUES ('action', ?, ?, 0, ?)", row
                )
            elif kind == "collect":
                loose.add(write_blob(store.blobs, b"from a killed download"))
                assert loose <= set(store.blobs)
                collect(store)
                assert not loose & set(store.blobs)
                loose.clear()
            elif kind == "collect given up":
                loose.add(write_blob(store.blobs, b"from a killed download"))
                collect(store, everything=False)
            alive = {image.digest: image for image in (*kept.values(), *held.values())}
            evidence = {of: found for of, found in evidence.items() if of in alive}
            needed = set[Digest]().union(*(blobs_of(store, image) for image in alive.values()), *evidence.values())
            assert needed | cached | loose <= set(store.blobs)
            assert {found.descriptor.digest for found in store.kept()} == set(kept)


def test_the_index_for_other_tools(store: Store) -> None:
    image = put_image(store, b"layer")
    put_referrer(store, image, b"signed")
    store.tag(APP, image)
    store.render()
    index = json.loads((store.root / "index.json").read_text())
    named = [entry for entry in index["manifests"] if "annotations" in entry]
    assert [entry["annotations"] for entry in named] == [
        {"io.containerd.image.name": APP, "org.opencontainers.image.ref.name": APP}
    ]
    assert len(index["manifests"]) == 2
    store.untag(APP)
    store.render()
    index = json.loads((store.root / "index.json").read_text())
    assert image.json() in index["manifests"]  # without a name, but here
    store.give_up(image.digest)
    store.render()
    assert image.json() not in json.loads((store.root / "index.json").read_text())["manifests"]
    assert json.loads((store.root / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}


@needs("skopeo")
def test_skopeo_reads_the_store_as_a_layout(store: Store) -> None:
    image = put_image(store, b"layer")
    store.tag(APP, image)
    store.render()
    said = subprocess.run(
        ["skopeo", "inspect", "--raw", f"oci:{store.root}:{APP}"], capture_output=True, check=True
    ).stdout
    assert Digest.of(said) == image.digest


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ({}, EMPTY),
        ({"artifactType": ""}, EMPTY),
        ({"artifactType": "test/evidence", "annotations": {"a": "b"}}, "test/evidence"),
    ],
)
def test_a_manifest_without_an_artifact_type_is_of_its_configs(
    store: Store, members: dict[str, object], kind: str
) -> None:
    subject = put_image(store, b"layer")
    put = put_manifest(store, b"{}", EMPTY, [], subject=subject.json(), **members)
    (found,) = store.referrers(subject.digest)
    assert (found.digest, found.artifact_type) == (put.digest, kind)
    listed = as_referrer(store.document(put))
    assert listed == Descriptor(put.media_type, put.digest, put.size, members.get("annotations", {}), kind)
    assert as_referrer(store.document(put_index(store, subject))).artifact_type is None
