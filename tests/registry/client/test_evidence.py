"""The registry as a place of evidence: the contract, on a registry without the referrers API and on one with it."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from uuid import uuid4

import pytest

from lading.registry.client.client import Client
from lading.registry.client.evidence import RegistryEvidence
from lading.registry.client_config import ClientConfig, Retry
from lading.registry.reference import Reference
from lading.store.content.blobs import write_blob
from lading.store.content.memory import MemoryBlobs
from lading.store.errors import LadingError
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import MANIFEST
from lading.verify.documents.attach import Artifact
from lading.verify.evidence.evidence import Evidence
from suites.evidence import EvidenceContract, Place
from suites.machine import needs
from suites.papers import image, signature
from suites.registry_hostile import hostile
from suites.registry_images import open_store, put_image, put_legacy
from suites.registry_peers import docker_registry
from suites.registry_server import running_server


class Repositories:
    """A new repository for each place."""

    def __init__(self, host: str, client: Client) -> None:
        self.host, self.client = host, client

    def place(self, *artifacts: Artifact) -> Evidence:
        ref = Reference.parse(f"{self.host}/evidence/{uuid4().hex}")
        blobs = MemoryBlobs()
        for artifact in artifacts:
            for blob in artifact.blobs:
                write_blob(blobs, blob)
                self.client.push_blob(ref, Descriptor.of(blob, "application/octet-stream"), blobs)
            self.client.push_manifest(ref.at(artifact.descriptor.digest), artifact.manifest, MANIFEST)
            subject = image().descriptor
            self.client.publish_referrers(
                ref, subject.digest, [artifact.descriptor] if _about(artifact, subject) else []
            )
        return RegistryEvidence(self.client, ref)


def _about(artifact: Artifact, subject: Descriptor) -> bool:
    return str(subject.digest).encode() in artifact.manifest


@pytest.fixture
def client() -> Generator[Client, None, None]:
    with Client(ClientConfig(retry=Retry(attempts=2, base=0.01))) as client:
        yield client


@pytest.fixture(scope="module")
def debians(tmp_path_factory: pytest.TempPathFactory) -> Generator[str, None, None]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Generator[str, None, None]:
    with running_server(tmp_path_factory.mktemp("registry")) as host:
        yield host


@needs("docker-registry")
class TestWithoutTheApi(EvidenceContract):
    @pytest.fixture
    def place(self, debians: str, client: Client) -> Place:
        return Repositories(debians, client).place


class TestWithTheApi(EvidenceContract):
    @pytest.fixture
    def place(self, ours: str, client: Client) -> Place:
        return Repositories(ours, client).place


def test_a_list_that_failed_is_not_complete(client: Client) -> None:
    with hostile() as bad:
        bad.trick("/referrers/", lambda h: h.answer(403))
        found = RegistryEvidence(client, Reference.parse(f"{bad.host}/app")).referrers(image().descriptor)
    assert found.descriptors == ()
    assert not found.complete
    assert "refused" in (found.reason or "")


def test_a_registry_that_is_gone_has_not_nothing(client: Client) -> None:
    found = RegistryEvidence(client, Reference.parse("127.0.0.1:1/app")).referrers(image().descriptor)
    assert not found.complete


def test_what_was_found_counts_although_the_rest_failed(client: Client, tmp_path: Path) -> None:
    with hostile() as bad, open_store(tmp_path) as store:
        subject = put_image(store)
        legacy = put_legacy(store, subject)
        bad.put(f"sha256-{subject.digest.hex}.sig", store.document(legacy).raw)
        bad.trick("/referrers/", lambda h: h.answer(500))
        found = RegistryEvidence(client, Reference.parse(f"{bad.host}/app")).referrers(subject)
    assert [item.digest for item in found.descriptors] == [legacy.digest]
    assert not found.complete


def test_other_bytes_than_listed_are_an_error(client: Client) -> None:
    artifact = signature(image().descriptor)
    with hostile() as bad:
        bad.manifests[str(artifact.descriptor.digest)] = (MANIFEST, artifact.manifest + b" ")
        bad.blobs[str(Descriptor.of(artifact.blobs[1], "x").digest)] = b"x" * len(artifact.blobs[1])
        place = RegistryEvidence(client, Reference.parse(f"{bad.host}/app"))
        for descriptor in (artifact.descriptor, Descriptor.of(artifact.blobs[1], "application/x")):
            with pytest.raises(LadingError):
                place.read(descriptor, limit=1 << 20)
