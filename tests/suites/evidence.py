"""What every `Evidence` must keep, whatever it reads from. A test module derives from `EvidenceContract`.

`place` gives an Evidence in which the artifacts are attached to their subjects, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lading.store.errors import LadingError
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import MANIFEST, parse_manifest
from lading.verify.documents.attach import Artifact
from lading.verify.evidence.evidence import Evidence
from suites.papers import attestation, image, signature

Place = Callable[..., Evidence]


class EvidenceContract:
    @pytest.fixture
    def place(self) -> Place:
        raise NotImplementedError

    def test_has_a_name_for_people(self, place: Place) -> None:
        assert place().name

    def test_nothing_attached_is_a_complete_empty_list(self, place: Place) -> None:
        found = place().referrers(image().descriptor)
        assert (found.descriptors, found.complete, found.reason) == ((), True, None)

    def test_lists_everything_attached(self, place: Place) -> None:
        subject = image().descriptor
        both = [signature(subject), attestation(subject, "https://example.com/review", {"approved": True})]
        found = place(*both).referrers(subject)
        assert found.complete
        assert {item.digest for item in found.descriptors} == {item.descriptor.digest for item in both}
        assert {item.media_type for item in found.descriptors} == {MANIFEST}
        assert {item.size for item in found.descriptors} == {len(item.manifest) for item in both}

    def test_lists_nothing_of_another_subject(self, place: Place) -> None:
        found = place(signature(image("one").descriptor)).referrers(image("two").descriptor)
        assert found.descriptors == ()

    def test_reads_manifest_and_layers(self, place: Place) -> None:
        artifact = signature(image().descriptor)
        source = place(artifact)
        (listed,) = source.referrers(image().descriptor).descriptors
        raw = source.read(listed, limit=1 << 20)
        assert raw == artifact.manifest
        (layer,) = parse_manifest(raw, MANIFEST, "artifact").layers
        assert source.read(layer, limit=1 << 20) == artifact.blobs[1]

    def test_what_is_not_there_is_an_error(self, place: Place) -> None:
        with pytest.raises(LadingError):
            place().read(Descriptor.of(b"{}", MANIFEST), limit=100)

    def test_more_than_the_limit_is_an_error(self, place: Place) -> None:
        artifact: Artifact = signature(image().descriptor)
        with pytest.raises(LadingError):
            place(artifact).read(artifact.descriptor, limit=len(artifact.manifest) - 1)

    def test_exactly_the_limit_is_read(self, place: Place) -> None:
        artifact: Artifact = signature(image().descriptor)
        assert place(artifact).read(artifact.descriptor, limit=len(artifact.manifest)) == artifact.manifest

    def test_a_size_that_lies_is_an_error(self, place: Place) -> None:
        artifact: Artifact = signature(image().descriptor)
        lying = Descriptor(MANIFEST, artifact.descriptor.digest, artifact.descriptor.size + 1)
        with pytest.raises(LadingError):
            place(artifact).read(lying, limit=1 << 20)
