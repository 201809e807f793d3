"""Large files are compressed apart, so that what was compressed once is copied; the bytes tell nothing of it."""

from __future__ import annotations

import os
import random
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.store.archives.compression import Compression, Source, encoder
from lading.store.archives.frames import LARGE, LargeContents
from lading.store.archives.layers import EPOCH, Layer, check_layer, write_layer
from lading.store.archives.trees import scan
from lading.store.exchange.rewritten_layers import rewrite_layer
from lading.store.oci.digests import Digest
from lading.store.snapshots.known_frames import KnownFrames
from lading.store.store import Store
from suites.machine import needs


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "root") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "deep").mkdir(parents=True)
    (folder / "a").write_text("first" * 100)
    (folder / "deep" / "large").write_bytes(_content(1) + b"odd")
    (folder / ("n" * 120)).write_bytes(_content(2))  # its name has a header of its own
    (folder / "z").write_text("last" * 1000)
    return folder


class _Counting:
    """Says how many frames were found."""

    def __init__(self, frames: KnownFrames) -> None:
        self._frames = frames
        self.has, self.note = frames.has, frames.note
        self.found = 0

    def find(self, sha256: str, size: int) -> Source | None:
        frame = self._frames.find(sha256, size)
        self.found += frame is not None
        return frame


def _content(seed: int) -> bytes:
    return random.Random(seed).randbytes(LARGE // 32) * 32


def _written(folder: Path, store: Store, *, known: bool = True) -> Layer:
    return write_layer(scan(folder), store.blobs, frames=store.frames if known else None)


def _blob(store: Store, digest: Digest) -> bytes:
    return store.blobs.path(digest).read_bytes()


def test_a_layer_has_the_same_bytes_whatever_was_compressed_before(store: Store, folder: Path) -> None:
    first = _written(folder, store)
    assert first == _written(folder, store, known=False)
    (folder / "a").write_text("changed, and longer" * 500)
    (folder / "deep").rename(folder / "moved")
    again = _written(folder, store)
    assert again != first
    assert again == _written(folder, store, known=False)
    check_layer(store.blobs, again.descriptor, again.diff_id)


def test_what_was_compressed_once_is_copied(store: Store, folder: Path) -> None:
    first = _written(folder, store)
    (folder / "a").write_text("changed")
    frames = _Counting(store.frames)
    again = write_layer(scan(folder), store.blobs, frames=frames)
    assert frames.found == 2
    assert again.tree != first.tree


@pytest.mark.parametrize("where", ["start", "end", "gone"])
def test_a_frame_that_is_not_what_it_was_is_made_again(store: Store, folder: Path, where: str) -> None:
    right = _written(folder, store)
    (folder / "a").write_text("other")
    expected = _blob(store, _written(folder, store, known=False).descriptor.digest)
    path = store.blobs.path(right.descriptor.digest)
    if where == "gone":
        path.unlink()
    else:
        os.chmod(path, 0o644)
        with path.open("r+b") as stream:
            stream.seek(5000 if where == "start" else right.descriptor.size // 2)
            if where == "start":
                stream.write(b"\xff" * 64)
            else:
                stream.truncate()
    assert _blob(store, _written(folder, store).descriptor.digest) == expected


def test_frames_of_another_encoder_do_not_count(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _written(folder, store)
    assert store.frames.has(LARGE)
    monkeypatch.setattr("lading.store.archives.compression.LEVEL", 4)
    assert not store.frames.has(LARGE)


def test_frames_go_with_their_layer(store: Store, folder: Path) -> None:
    layer = _written(folder, store)
    store.forget([layer.descriptor.digest])
    assert not store.frames.has(LARGE)


def test_another_time_and_the_way_back_have_the_same_frames(store: Store, folder: Path) -> None:
    layer = _written(folder, store)
    forms: tuple[Compression, ...] = ("none", "gzip", "zstd")
    for compression in forms:
        other, diff_id = rewrite_layer(store.blobs, layer.descriptor, layer.diff_id, epoch=7, compression=compression)
        assert (other, diff_id) == rewrite_layer(store.blobs, other, diff_id, epoch=7, compression=compression)
        back = rewrite_layer(store.blobs, other, diff_id, epoch=EPOCH, compression="zstd")
        assert back == (layer.descriptor, layer.diff_id)


def test_the_pieces_do_not_matter(store: Store, folder: Path) -> None:
    with_pieces: list[bytes] = []
    plain = write_layer(scan(folder), store.blobs, compression="none")
    raw = _blob(store, plain.descriptor.digest)
    for size in (512, 100_003, len(raw)):
        running = encoder("zstd")
        pieces = [running.compress(raw[at : at + size]) for at in range(0, len(raw), size)]
        with_pieces.append(b"".join(pieces) + running.flush())
    assert set(with_pieces) == {_blob(store, _written(folder, store).descriptor.digest)}


def test_a_size_beyond_a_headers_digits_is_in_an_extended_one() -> None:
    """As `tarfile` writes it: eight gigabytes do not fit into eleven octal digits."""
    size = 8**11 + 5
    info = tarfile.TarInfo("huge")
    info.size = size
    ahead, piece = info.tobuf(tarfile.PAX_FORMAT), bytes(64 * 1024 * 1024)
    contents, content = LargeContents(), 0
    assert _pieces(contents, ahead) == [(len(ahead), False)]
    left = size + 507 + 1024
    while left:
        for length, inside in _pieces(contents, piece[:left]):
            left -= length
            content += length if inside else 0
    assert content == size


def _pieces(contents: LargeContents, data: bytes) -> list[tuple[int, bool]]:
    return [(len(piece), inside) for piece, inside in contents.split(data)]


def test_a_layer_without_a_large_file_is_one_frame(store: Store, tmp_path: Path) -> None:
    """The bytes of most layers: what a stream that knows nothing of files gives."""
    import zstandard

    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "file").write_bytes(_content(3)[:-1])
    raw = _blob(store, write_layer(scan(folder), store.blobs, compression="none").descriptor.digest)
    stream = zstandard.ZstdCompressor(
        level=3, threads=2, write_content_size=False, write_checksum=False, write_dict_id=False
    ).compressobj()
    assert _blob(store, _written(folder, store).descriptor.digest) == stream.compress(raw) + stream.flush()


@needs("bsdtar")
def test_others_read_it(store: Store, folder: Path, tmp_path: Path) -> None:
    layer = _written(folder, store)
    (tmp_path / "out").mkdir()
    blob = store.blobs.path(layer.descriptor.digest)
    subprocess.run(["bsdtar", "-xf", blob, "-C", tmp_path / "out"], check=True)
    assert (tmp_path / "out/deep/large").read_bytes() == _content(1) + b"odd"
    assert (tmp_path / "out/z").read_text() == "last" * 1000
