"""What every `ImageSink` owes, wherever it writes. Subclass it and give `sink`, and `reader` for what a sink holds."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from lading.registry.client.client import Client
from lading.registry.client_config import ClientConfig, Retry
from lading.registry.reference import Reference
from lading.registry.transfer.images import ImageSink, ImageSource
from lading.registry.transfer.pull import pull
from lading.registry.transfer.push import push
from lading.store.content.blobs import read_blob
from lading.store.content.files import FileBlobs
from lading.store.errors import LadingError
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import MANIFEST, Manifest
from lading.store.store import Store
from suites.registry_hostile import Hostile, hostile
from suites.registry_images import open_store, put_image, put_legacy, put_paper


class ImageSinkContract:
    @pytest.fixture
    def sink(self) -> ImageSink:
        raise NotImplementedError

    def reader(self, sink: ImageSink) -> ImageSource:
        """What shows afterwards what was put into `sink`."""
        raise NotImplementedError

    def named(self, sink: ImageSink, name: str) -> Digest | None:
        """What a name means there now."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return open_store(tmp_path / "origin")

    @pytest.fixture
    def registry(self) -> Generator[Hostile, None, None]:
        with hostile() as made:
            yield made

    @pytest.fixture
    def client(self) -> Generator[Client, None, None]:
        with Client(ClientConfig(retry=Retry(attempts=2, base=0.01))) as made:
            yield made

    @pytest.fixture
    def ref(self, registry: Hostile) -> Reference:
        return Reference.parse(f"{registry.host}/from/app:1")

    def test_an_image_comes_into_it_from_a_registry(
        self, sink: ImageSink, store: Store, client: Client, ref: Reference
    ) -> None:
        image = put_image(store)
        paper, older = put_paper(store, image), put_legacy(store, image)
        push(client, ref, store, image)
        pulled = pull(client, ref, sink)
        assert {item.digest for item in pulled.evidence} == {paper.digest, older.digest}
        assert self.named(sink, ref.name) == image.digest
        found = self.reader(sink)
        for item in (image, paper, older):
            document = found.document(item)
            assert isinstance(document, Manifest)
            assert document.raw == store.document(item).raw
            for blob in (document.config, *document.layers):
                assert read_blob(found.blobs, blob.digest) == read_blob(store.blobs, blob.digest)
        assert {item.digest for item in found.referrers(image.digest)} == {paper.digest, older.digest}
        assert list(found.legacy_tags(image.digest).values()) == [older.digest]

    def test_what_is_there_is_not_fetched_again(
        self, sink: ImageSink, store: Store, client: Client, ref: Reference, registry: Hostile
    ) -> None:
        image = put_image(store)
        push(client, ref, store, image)
        assert pull(client, ref, sink).fetched > 0
        registry.blobs.clear()
        assert pull(client, ref, sink).fetched == 0

    def test_what_rotted_there_is_fetched_anew(
        self, sink: ImageSink, store: Store, client: Client, ref: Reference
    ) -> None:
        image = put_image(store)
        push(client, ref, store, image)
        pull(client, ref, sink)
        layer = store.document(image).layers[0]  # type: ignore[union-attr]
        assert sink.is_intact(layer.digest)
        spoil(sink, layer.digest)
        assert not sink.is_intact(layer.digest)
        assert pull(client, ref, sink).fetched == layer.size
        assert read_blob(self.reader(sink).blobs, layer.digest) == read_blob(store.blobs, layer.digest)

    def test_a_name_means_what_it_meant_until_all_is_there(
        self, sink: ImageSink, store: Store, client: Client, ref: Reference, registry: Hostile
    ) -> None:
        first, second = put_image(store, "first"), put_image(store, "second")
        push(client, ref, store, first)
        pull(client, ref, sink)
        push(client, ref, store, second)
        lost = registry.blobs.pop(str(store.document(second).layers[1].digest))  # type: ignore[union-attr]
        with pytest.raises(LadingError):
            pull(client, ref, sink)
        assert self.named(sink, ref.name) == first.digest
        registry.put_blob(lost)
        pull(client, ref, sink)
        assert self.named(sink, ref.name) == second.digest

    def test_evidence_under_a_tag_takes_the_place_of_what_had_it(
        self, sink: ImageSink, store: Store, client: Client, ref: Reference
    ) -> None:
        image = put_image(store)
        for words in (("first",), ("first", "second")):
            older = put_legacy(store, image, words)
            push(client, ref, store, image)
            pull(client, ref, sink)
        assert list(self.reader(sink).legacy_tags(image.digest).values()) == [older.digest]

    def test_what_is_not_there_is_not_intact(self, sink: ImageSink) -> None:
        with sink.writing():
            assert not sink.is_intact(Digest.of(b"nothing"))
            with pytest.raises(LadingError):
                sink.document(Descriptor.of(b"{}", MANIFEST))


def spoil(place: object, digest: Digest) -> None:
    """Changes a byte of a blob that lies in a folder."""
    blobs = place.blobs  # type: ignore[attr-defined]
    assert isinstance(blobs, FileBlobs)
    path = blobs.path(digest)
    path.chmod(0o600)
    path.write_bytes(b"?" + path.read_bytes()[1:])
