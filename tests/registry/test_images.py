"""Stores, layouts and registries as sources and sinks of images, each held to the contract of its side."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest

from lading.registry.client.client import Client
from lading.registry.reference import Reference
from lading.registry.transfer.images import ImageSink, ImageSource
from lading.registry.transfer.pull import pull
from lading.registry.transfer.push import push
from lading.registry.transfer.registry_source import RegistrySource
from lading.store.errors import InputError, RegistryError
from lading.store.exchange.layout_sink import LayoutSink
from lading.store.exchange.layout_source import LayoutSource
from lading.store.exchange.layouts import write_layout
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import Manifest
from lading.store.oci.layout import REF_NAME
from lading.store.store import Store
from suites.image_sink import ImageSinkContract, spoil
from suites.image_source import ImageSourceContract, MakeSource
from suites.registry_hostile import Hostile, hostile
from suites.registry_images import AMD64, ARM64, content, open_store, put_image, put_index, put_legacy, put_paper
from suites.registry_moods import half_a_blob
from suites.registry_server import running_server


class TestStoreAsSource(ImageSourceContract):
    @pytest.fixture
    def source(self) -> MakeSource:
        return lambda store, image: store

    def spoil(self, source: ImageSource, digest: Digest) -> None:
        spoil(source, digest)


class TestLayoutAsSource(ImageSourceContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> MakeSource:
        def make(store: Store, image: Descriptor) -> ImageSource:
            write_layout(store, image, tmp_path / "layout", ["app"], evidence=True)
            return LayoutSource(tmp_path / "layout")

        return make

    def spoil(self, source: ImageSource, digest: Digest) -> None:
        spoil(source, digest)


class TestRegistryAsSource(ImageSourceContract):
    @pytest.fixture
    def registry(self) -> Generator[Hostile, None, None]:
        with hostile() as made:
            yield made

    @pytest.fixture
    def source(self, registry: Hostile) -> Generator[MakeSource, None, None]:
        self.held = registry
        with Client() as client:

            def make(store: Store, image: Descriptor) -> ImageSource:
                ref = Reference.parse(f"{registry.host}/from/app:1")
                push(client, ref, store, image)
                return RegistrySource(client, ref)

            yield make

    def spoil(self, source: ImageSource, digest: Digest) -> None:
        self.held.blobs[str(digest)] = b"?" + self.held.blobs[str(digest)][1:]


class TestStoreAsSink(ImageSinkContract):
    @pytest.fixture
    def sink(self, tmp_path: Path) -> Generator[ImageSink, None, None]:
        with open_store(tmp_path / "sink") as made:
            yield made

    def reader(self, sink: ImageSink) -> ImageSource:
        assert isinstance(sink, Store)
        return sink

    def named(self, sink: ImageSink, name: str) -> Digest | None:
        assert isinstance(sink, Store)
        found = sink.reference(name)
        return found.descriptor.digest if found else None


class TestLayoutAsSink(ImageSinkContract):
    @pytest.fixture
    def sink(self, tmp_path: Path) -> ImageSink:
        self.folder = tmp_path / "sink"
        return LayoutSink(self.folder)

    def reader(self, sink: ImageSink) -> ImageSource:
        return LayoutSource(self.folder)

    def named(self, sink: ImageSink, name: str) -> Digest | None:
        try:
            return LayoutSource(self.folder).image(name).digest
        except InputError:
            return None

    def test_the_index_has_each_name_once_and_what_has_one_by_it_alone(
        self, sink: ImageSink, store: Store, client: Client, ref: Reference
    ) -> None:
        image = put_image(store)
        paper = put_paper(store, image)
        named = Reference.parse(ref.name.removesuffix(":1") + ":paper")
        for words in (("first",), ("first", "second")):
            older = put_legacy(store, image, words)
            push(client, ref, store, image)
            push(client, named, store, paper)
            pull(client, ref, sink)
            pull(client, named, sink)
        listed = json.loads((self.folder / "index.json").read_text())["manifests"]
        names = {item["digest"]: item.get("annotations", {}).get(REF_NAME) for item in listed}
        assert len(names) == len(listed) == 3
        tag = f"sha256-{image.digest.hex}.sig"
        assert names == {str(image.digest): ref.name, str(paper.digest): named.name, str(older.digest): tag}


@pytest.fixture
def origin(tmp_path: Path) -> Generator[Store, None, None]:
    with open_store(tmp_path / "origin") as made:
        yield made


def test_an_index_goes_from_registry_to_registry_with_all_its_images(origin: Store, tmp_path: Path) -> None:
    images = {AMD64: put_image(origin, "amd"), ARM64: put_image(origin, "arm")}
    index = put_index(origin, images)
    papers = {put_paper(origin, index).digest, put_paper(origin, images[ARM64], "arm").digest}
    with hostile() as one, running_server(tmp_path / "other") as other, Client() as client:
        here, there = Reference.parse(f"{one.host}/a:1"), Reference.parse(f"{other}/b:2")
        push(client, here, origin, index)
        source = RegistrySource(client, here)
        assert {item.digest for item in push(client, there, source, source.image()).evidence} == papers
        assert client.resolve(there) == index
        with open_store(tmp_path / "arrived") as arrived:
            pull(client, there, arrived, ARM64)
            assert content(arrived, images[ARM64]) == content(origin, images[ARM64])


def test_within_a_registry_an_image_is_mounted_not_sent(origin: Store, tmp_path: Path) -> None:
    with running_server(tmp_path / "registry") as host, Client() as client:
        here, there = Reference.parse(f"{host}/a:1"), Reference.parse(f"{host}/b:1")
        image = put_image(origin)
        push(client, here, origin, image)
        source = RegistrySource(client, here)
        assert push(client, there, source, source.image()).sent == 0
        assert client.resolve(there) == image


def test_an_image_that_one_registry_lost_is_named_nowhere_else(origin: Store) -> None:
    image = put_image(origin)
    with hostile() as one, hostile() as other, Client() as client:
        here, there = Reference.parse(f"{one.host}/a:1"), Reference.parse(f"{other.host}/b:1")
        push(client, here, origin, image)
        one.blobs.clear()
        source = RegistrySource(client, here)
        with pytest.raises(RegistryError, match="not found"):
            push(client, there, source, source.image())
        assert not other.manifests


def test_a_blob_that_is_not_read_to_its_end_holds_no_connection(origin: Store) -> None:
    image = put_image(origin, layers=1, size=3_000_000)
    with hostile() as one, Client() as client:
        here = Reference.parse(f"{one.host}/a:1")
        push(client, here, origin, image)
        source = RegistrySource(client, here)
        document = source.document(source.image())
        assert isinstance(document, Manifest)
        for _ in range(client.config.parallel + 5):  # one more than the client has connections
            with source.blobs.open(document.layers[0].digest) as reader:
                assert len(reader.read(1000)) == 1000


def test_a_link_that_breaks_between_two_registries_is_taken_up_again(origin: Store) -> None:
    image = put_image(origin, layers=1, size=300_000)
    with hostile() as one, hostile() as other, Client() as client:
        here, there = Reference.parse(f"{one.host}/a:1"), Reference.parse(f"{other.host}/b:1")
        push(client, here, origin, image)
        one.trick("GET .*/blobs/sha", half_a_blob, 2)
        source = RegistrySource(client, here)
        push(client, there, source, source.image())
        assert content(origin, image) <= other.blobs.keys()
        assert any("Range" in seen.headers for seen in one.asked("GET .*/blobs/sha"))
