"""What every `ImageSource` owes, whatever it reads from. Subclass it and give `source`, and a `client` for pushes.

`source` gives what holds everything that a store has: an image, and what refers to it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lading.registry.client.client import Client
from lading.registry.reference import Reference
from lading.registry.transfer.images import ImageSource
from lading.registry.transfer.push import push
from lading.store.content.blobs import read_blob
from lading.store.errors import LadingError
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import MANIFEST, Manifest
from lading.store.store import Store
from suites.registry_hostile import Hostile, hostile
from suites.registry_images import content, open_store, put_image, put_legacy, put_paper

MakeSource = Callable[[Store, Descriptor], ImageSource]


class ImageSourceContract:
    @pytest.fixture
    def source(self) -> MakeSource:
        raise NotImplementedError

    def spoil(self, source: ImageSource, digest: Digest) -> None:
        """Changes bytes of a blob where the source has it."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return open_store(tmp_path / "origin")

    def test_says_where_it_is(self, source: MakeSource, store: Store) -> None:
        assert source(store, put_image(store)).where

    def test_reads_documents_and_blobs(self, source: MakeSource, store: Store) -> None:
        image = put_image(store)
        made = source(store, image)
        with made.writing():
            document = made.document(image)
            assert isinstance(document, Manifest)
            assert document.raw == store.document(image).raw
            for blob in (document.config, *document.layers):
                assert made.blobs.size(blob.digest) == blob.size
                assert read_blob(made.blobs, blob.digest) == read_blob(store.blobs, blob.digest)

    def test_a_digest_alone_is_enough_for_a_document(self, source: MakeSource, store: Store) -> None:
        image = put_image(store)
        assert source(store, image).document(Descriptor("", image.digest, 0)).raw == store.document(image).raw

    def test_what_it_does_not_have_is_an_error(self, source: MakeSource, store: Store) -> None:
        made, other = source(store, put_image(store)), Descriptor.of(b"{}", MANIFEST)
        assert made.blobs.size(other.digest) is None
        with pytest.raises(LadingError):
            made.document(other)
        with pytest.raises(LadingError):
            read_blob(made.blobs, other.digest)

    def test_other_bytes_than_the_digests_are_an_error(self, source: MakeSource, store: Store) -> None:
        image = put_image(store)
        made = source(store, image)
        document = made.document(image)
        assert isinstance(document, Manifest)
        self.spoil(made, document.layers[0].digest)
        with pytest.raises(LadingError):
            read_blob(made.blobs, document.layers[0].digest)

    def test_lists_what_refers_to_an_image_in_both_forms(self, source: MakeSource, store: Store) -> None:
        image = put_image(store)
        paper, older = put_paper(store, image), put_legacy(store, image)
        made = source(store, image)
        assert {item.digest for item in made.referrers(image.digest)} - {older.digest} == {paper.digest}
        assert dict(made.legacy_tags(image.digest)) == {f"sha256-{image.digest.hex}.sig": older.digest}
        for item in (paper, older):
            assert made.document(Descriptor("", item.digest, 0)).raw == store.document(item).raw
        assert not made.referrers(paper.digest)
        assert not made.legacy_tags(paper.digest)

    def test_an_image_goes_from_it_to_a_registry(self, source: MakeSource, store: Store) -> None:
        image = put_image(store)
        paper, older = put_paper(store, image), put_legacy(store, image)
        made = source(store, image)
        with hostile() as registry, Client() as client:
            pushed = push(client, Reference.parse(f"{registry.host}/to/app:1"), made, image)
            assert {item.digest for item in pushed.evidence} == {paper.digest, older.digest}
            assert registry.manifests["1"][1] == store.document(image).raw
            assert content(store, image) | content(store, paper) | content(store, older) <= registry.blobs.keys()

    def test_a_spoilt_blob_gets_nowhere(self, source: MakeSource, store: Store) -> None:
        image = put_image(store)
        made = source(store, image)
        document = made.document(image)
        assert isinstance(document, Manifest)
        self.spoil(made, document.layers[0].digest)
        with hostile() as registry, Client() as client:
            with pytest.raises(LadingError):
                push(client, Reference.parse(f"{registry.host}/to/app:1"), made, image)
            assert_nothing_named(registry, document.layers[0].digest)


def assert_nothing_named(registry: Hostile, spoilt: Digest) -> None:
    assert not registry.manifests
    assert str(spoilt) not in registry.blobs
