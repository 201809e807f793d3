from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.store.content.blobs import write_blob
from lading.store.oci.documents import MANIFEST
from lading.store.store import Store
from lading.verify.documents.attach import Artifact
from lading.verify.evidence.evidence import StoreEvidence
from lading.verify.judgement.verifier import Verifier
from suites.evidence import EvidenceContract, Place
from suites.papers import Shelf, image, signature, target, trusting


class TestShelf(EvidenceContract):
    @pytest.fixture
    def place(self) -> Place:
        return lambda *artifacts: Shelf(*artifacts).evidence


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "root") as opened:
        yield opened


def keep(store: Store, artifact: Artifact) -> None:
    for data in artifact.blobs:
        write_blob(store.blobs, data)
    store.put_manifest(artifact.manifest, MANIFEST)


class TestStore(EvidenceContract):
    @pytest.fixture
    def place(self, store: Store) -> Place:
        def fill(*artifacts: Artifact) -> StoreEvidence:
            for artifact in artifacts:
                keep(store, artifact)
            return StoreEvidence(store)

        return fill


def test_an_image_in_the_store_verifies(store: Store) -> None:
    app = image()
    keep(store, signature(app.descriptor))
    assert Verifier(trusting("own")).verify(target(app), [StoreEvidence(store)]).manifest == app.descriptor.digest
