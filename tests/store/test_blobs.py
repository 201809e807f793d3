"""Blobs in memory and in files."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from lading.store.content.blobs import Blobs, read_blob, write_blob
from lading.store.content.files import FileBlobs
from lading.store.content.memory import MemoryBlobs
from lading.store.errors import DocumentError, MachineError
from lading.store.oci.digests import Digest
from suites import dying
from suites.blobs import BlobsContract
from suites.dying import killed
from suites.machine import needs
from suites.synced import synced


class TestMemoryBlobs(BlobsContract):
    @pytest.fixture
    def blobs(self) -> Blobs:
        return MemoryBlobs()

    def fresh(self) -> Blobs:
        return MemoryBlobs()


class TestFileBlobs(BlobsContract):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> Blobs:
        return FileBlobs(tmp_path)

    def fresh(self) -> Blobs:
        return FileBlobs(Path(tempfile.mkdtemp()))


def test_a_changed_file_is_not_handed_out_as_right(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    digest = write_blob(blobs, b"content")
    path = blobs.path(digest)
    assert path.stat().st_mode & 0o777 == 0o444
    os.chmod(path, 0o644)
    path.write_bytes(b"Content")
    with pytest.raises(DocumentError, match="was changed"):
        read_blob(blobs, digest)
    write_blob(blobs, b"content")
    assert read_blob(blobs, digest) == b"content"


def test_the_descriptor_that_wrote_is_the_one_that_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, blobs = synced(monkeypatch), FileBlobs(tmp_path)
    digest = write_blob(blobs, b"content")
    assert seen[blobs.path(digest).stat().st_ino] == [True]


def test_a_sweep_leaves_what_is_being_written(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    orphan = tmp_path / "tmp/orphan"
    with blobs.writer() as writer:
        writer.write(b"living")
        orphan.write_bytes(b"dead")
        blobs.sweep()
        assert not orphan.exists()
        digest = writer.commit()
    assert read_blob(blobs, digest) == b"living"
    assert list((tmp_path / "tmp").iterdir()) == []


_WRITE_FOREVER = """
import sys
from pathlib import Path
from lading.store.content.files import FileBlobs
blobs = FileBlobs(Path(sys.argv[1]))
for number in range(10**9):
    with blobs.writer() as writer:
        writer.write(str(number).encode() * 5000)
        print(writer.commit(), flush=True)
"""


def test_a_killed_writer_loses_nothing_it_committed(tmp_path: Path) -> None:
    for at in range(200, 212):  # every step between two blobs
        process = dying.start(_WRITE_FOREVER, tmp_path, at=at)
        said = dying.said(process)
        assert killed(process)
        assert said
        blobs = FileBlobs(tmp_path)
        for line in said:
            read_blob(blobs, Digest.parse(line))
        blobs.sweep()
        assert list((tmp_path / "tmp").iterdir()) == []
        assert all(read_blob(blobs, digest) for digest in blobs)


@needs("root", "mkfs.ext4")
def test_a_full_disk_is_told_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    image, folder = tmp_path / "disk", tmp_path / "mounted"
    folder.mkdir()
    with image.open("wb") as stream:
        stream.truncate(4 * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", image], check=True, capture_output=True)
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    try:
        blobs = FileBlobs(folder)
        small = write_blob(blobs, b"small")
        with pytest.raises(MachineError, match="No space left on device"), blobs.writer() as writer:
            for _ in range(8):
                writer.write(os.urandom(1024 * 1024))
        assert list((folder / "tmp").iterdir()) == []
        assert read_blob(blobs, small) == b"small"
    finally:
        subprocess.run(["umount", folder], check=True)
