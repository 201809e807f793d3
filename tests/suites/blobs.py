"""The contract of `lading.store.content.blobs.Blobs`, for every implementation: subclass, and say how one is made."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lading.store.content.blobs import Blobs, MissingBlobError, read_blob, write_blob
from lading.store.errors import DocumentError
from lading.store.oci.digests import Digest


class BlobsContract:
    @pytest.fixture
    def blobs(self) -> Blobs:
        raise NotImplementedError

    def test_what_was_written_is_read(self, blobs: Blobs) -> None:
        digest = write_blob(blobs, b"content")
        assert digest == Digest("sha256", hashlib.sha256(b"content").hexdigest())
        assert read_blob(blobs, digest) == b"content"
        assert blobs.size(digest) == 7
        assert list(blobs) == [digest]

    @settings(max_examples=20, suppress_health_check=[HealthCheck.differing_executors])
    @given(parts=st.lists(st.binary(max_size=2000), max_size=8), algorithm=st.sampled_from(["sha256", "sha512"]))
    def test_the_pieces_do_not_matter(self, parts: list[bytes], algorithm: str) -> None:
        blobs = self.fresh()
        with blobs.writer(algorithm) as writer:
            for part in parts:
                assert writer.write(memoryview(part)) == len(part)
            digest = writer.commit()
        whole = b"".join(parts)
        assert digest == Digest.of(whole, algorithm)
        with blobs.open(digest) as reader:
            got = b"".join(iter(lambda: reader.read(7), b""))
        assert got == whole

    def fresh(self) -> Blobs:
        raise NotImplementedError

    def test_nothing_is_visible_before_commit(self, blobs: Blobs) -> None:
        with blobs.writer() as writer:
            writer.write(b"half")
            assert list(blobs) == []
        assert list(blobs) == []
        assert blobs.size(Digest.of(b"half")) is None

    def test_another_digest_than_expected_keeps_nothing(self, blobs: Blobs) -> None:
        with blobs.writer() as writer:
            writer.write(b"lie")
            with pytest.raises(DocumentError, match="the content has the digest"):
                writer.commit(Digest.of(b"truth"))
        assert list(blobs) == []

    def test_a_missing_blob(self, blobs: Blobs) -> None:
        with pytest.raises(MissingBlobError):
            blobs.open(Digest.of(b"nothing"))
        assert not blobs.delete(Digest.of(b"nothing"))

    def test_deleting(self, blobs: Blobs) -> None:
        digest = write_blob(blobs, b"x")
        assert blobs.delete(digest)
        assert blobs.size(digest) is None

    def test_two_writers_of_one_blob_both_succeed(self, blobs: Blobs) -> None:
        data = b"same" * 10_000
        with ThreadPoolExecutor(8) as pool:
            digests = set(pool.map(lambda _: write_blob(blobs, data), range(16)))
        assert digests == {Digest.of(data)}
        assert read_blob(blobs, Digest.of(data)) == data

    def test_several_at_once(self, blobs: Blobs) -> None:
        contents = [b"%d" % number for number in range(100)] + [b"0", b""]
        assert blobs.write_all(iter(contents)) == [Digest.of(content) for content in contents]
        assert [read_blob(blobs, Digest.of(content)) for content in contents] == contents
        assert len(set(blobs)) == 101
        assert blobs.write_all([]) == []

    def test_a_document_beyond_its_bound(self, blobs: Blobs) -> None:
        digest = write_blob(blobs, b"12345")
        assert read_blob(blobs, digest, limit=5) == b"12345"
        with pytest.raises(DocumentError, match="more than the 4 bytes"):
            read_blob(blobs, digest, limit=4)
