"""Archives: written so that others read them, read so that nothing escapes."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lading.store.archives.any_compression import uncompressed
from lading.store.archives.compression import Source, decoder, encoder
from lading.store.archives.extract_archive import extract, extract_layer
from lading.store.archives.layer_limits import Limits
from lading.store.archives.reader import read_tar
from lading.store.archives.trees import Tree, scan
from lading.store.archives.writer import write_tar
from lading.store.errors import DocumentError, InputError
from lading.store.oci.documents import LAYER, LAYER_GZIP, LAYER_ZSTD
from lading.store.oci.json import canonical, parse
from suites.machine import needs
from suites.trees import ENTRIES, make, seen

QUICK = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])


def written(tree: Tree, epoch: int = 315532800) -> bytes:
    parts: list[bytes] = []
    write_tar(tree, lambda data: parts.append(bytes(data)), epoch)
    return b"".join(parts)


@needs("root", "gnu-tar")
@QUICK
@given(entries=ENTRIES)
def test_gnu_tar_unpacks_what_we_write_and_we_what_it_writes(entries: list) -> None:
    with tempfile.TemporaryDirectory() as name:
        source, theirs, ours = (Path(name, part) for part in ("source", "theirs", "ours"))
        for folder in (source, theirs, ours):
            folder.mkdir()
        make(source, entries)
        data = written(scan(source))
        flags = ["--xattrs", "--xattrs-include=*", "--numeric-owner", "-C"]
        subprocess.run(["tar", "-x", "-p", *flags, theirs], input=data, check=True, capture_output=True)
        expected = seen(source)
        assert seen(theirs) == expected
        packed = subprocess.run(
            ["tar", "-c", "--format=pax", *flags, source, "."], check=True, capture_output=True
        ).stdout
        extract(io.BytesIO(packed), ours, "test")
        assert seen(ours, times=True) == seen(source, times=True)
        again = written(scan(ours))
        assert again == data


@needs("root", "gnu-tar")
@QUICK
@given(entries=ENTRIES)
def test_gnu_format_with_its_long_names_is_read(entries: list) -> None:
    with tempfile.TemporaryDirectory() as name:
        source, ours = Path(name, "source"), Path(name, "ours")
        source.mkdir()
        ours.mkdir()
        make(source, [entry for entry in entries if not entry[6]])
        packed = subprocess.run(
            ["tar", "-c", "--format=gnu", "--numeric-owner", "-C", source, "."], check=True, capture_output=True
        ).stdout
        extract(io.BytesIO(packed), ours, "test")
        assert seen(ours) == seen(source)


@needs("bsdtar")
def test_bsdtar_and_python_list_the_same_names(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    make(source, [((b"n" * 150, b"deep"), b"m" * 120, "file", 0o644, 0, b"content", True)])
    data = written(scan(source))
    said = subprocess.run(["bsdtar", "-tf", "-"], input=data, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        names = [member.name + ("/" if member.isdir() else "") for member in archive]
    assert said.decode().splitlines() == names


def test_times_folder_and_order_of_creation_do_not_matter(tmp_path: Path) -> None:
    for name, files in (("one", ["a", "b", "c"]), ("two", ["c", "a", "b"])):
        folder = tmp_path / name
        folder.mkdir()
        for file in files:
            (folder / file).write_text(file)
    os.utime(tmp_path / "one/a", (1, 1))
    first, second = scan(tmp_path / "one"), scan(tmp_path / "two")
    assert written(first) == written(second)
    assert first.root() == second.root()


@needs("root")
@QUICK
@given(entries=ENTRIES)
def test_a_listing_is_canonical_json(entries: list) -> None:
    with tempfile.TemporaryDirectory() as name:
        make(Path(name), entries)
        listing = scan(Path(name)).listing()
        assert canonical(parse(listing, "listing")) == listing


def test_a_name_that_would_remove_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".wh.etc").touch()
    with pytest.raises(InputError, match=r"begins with \.wh\."):
        scan(tmp_path)


def test_sockets_are_left_out(tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        assert scan(tmp_path).entries == []


# Hostile archives


def archive(*members: tuple[str, dict], data: bytes = b"x") -> bytes:
    """An archive by Python's tarfile; each member is a name and the attributes of its TarInfo."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as out:
        for name, attributes in members:
            info = tarfile.TarInfo(name)
            for key, value in attributes.items():
                setattr(info, key, value)
            if info.isreg():
                info.size = len(data)
            out.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return stream.getvalue()


LINK = {"type": tarfile.SYMTYPE}
HARD = {"type": tarfile.LNKTYPE}
FOLDER = {"type": tarfile.DIRTYPE, "mode": 0o755}


@pytest.fixture
def jail(tmp_path: Path) -> tuple[Path, Path]:
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    root.mkdir()
    (outside / "victim").write_text("untouched")
    return root, outside


ESCAPES = {
    "dot-dot": (("../outside/victim", {}),),
    "dot-dot inside": (("a/../../outside/victim", {}),),
    "symlink to the parent, then through it": (("up", {**LINK, "linkname": ".."}), ("up/outside/victim", {})),
    "absolute symlink, then through it": (("abs", {**LINK, "linkname": "OUTSIDE"}), ("abs/victim", {})),
    "chain of symlinks": (
        ("one", {**LINK, "linkname": "two"}),
        ("two", {**LINK, "linkname": "../outside"}),
        ("one/victim", {}),
    ),
    "hard link out": (("hard", {**HARD, "linkname": "../outside/victim"}), ("hard", {})),
    "hard link through a symlink": (
        ("up", {**LINK, "linkname": "../outside"}),
        ("hard", {**HARD, "linkname": "up/victim"}),
    ),
    "folder through a symlink, for its mode": (
        ("up", {**LINK, "linkname": "../outside"}),
        ("up", {**FOLDER, "mode": 0o777}),
        ("up/victim", {}),
    ),
    "removal through a symlink": (("up", {**LINK, "linkname": "../outside"}), ("up/.wh.victim", {})),
    "opaque through a symlink": (("up", {**LINK, "linkname": "../outside"}), ("up/.wh..wh..opq", {})),
    "removal of the parent": (("d", FOLDER), ("d/.wh...", {})),
}


@pytest.mark.parametrize("name", ESCAPES)
def test_nothing_outside_is_touched(jail: tuple[Path, Path], name: str) -> None:
    root, outside = jail
    members = [
        (path, {key: str(outside) if value == "OUTSIDE" else value for key, value in attributes.items()})
        for path, attributes in ESCAPES[name]
    ]
    before = seen(outside, times=True)
    try:
        extract_layer(io.BytesIO(archive(*members)), root, "test")
    except DocumentError as error:
        assert "\n" not in error.message
    assert seen(outside, times=True) == before
    assert sorted(path.name for path in root.parent.iterdir()) == ["outside", "root"]


def test_an_absolute_name_stays_inside(jail: tuple[Path, Path]) -> None:
    root, _ = jail
    extract(io.BytesIO(archive(("/etc/passwd", {}), ("././b", {}))), root, "test")
    assert (root / "etc/passwd").read_text() == "x"
    assert (root / "b").read_text() == "x"


def test_the_last_of_two_entries_with_one_name_wins(jail: tuple[Path, Path]) -> None:
    root, outside = jail
    members = (("a", {**LINK, "linkname": str(outside / "victim")}), ("a", {}), ("d", {}), ("d", FOLDER), ("d/f", {}))
    extract(io.BytesIO(archive(*members)), root, "test")
    assert not (root / "a").is_symlink()
    assert (root / "d/f").read_text() == "x"
    assert (outside / "victim").read_text() == "untouched"


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"not an archive" * 100, "checksum is wrong"),
        (archive(("a", {}))[:512], "ends too soon"),
        (archive(("a", {}))[:500], "too short"),
        (archive(("a" * 300, {}))[:600], "ends too soon"),
        (archive(("a", {"type": b"S"})), "type b'S' are not supported"),
        (archive(("a", {"type": b"V"})), "type b'V' are not supported"),
        (archive(("a", {"pax_headers": {"GNU.sparse.major": "1"}})), "sparse"),
        (archive(("a", {"pax_headers": {"size": "-1"}})), "size=b'-1'"),
        (archive(("x" * 256, {})), "no file system takes"),
        (archive(("d/" * 3000 + "f", {})), "no file system takes"),
        (archive(("zero", {"type": tarfile.CHRTYPE, "devmajor": 0, "devminor": 0})), "device 0:0"),
    ],
)
def test_a_damaged_or_strange_archive_is_refused(tmp_path: Path, data: bytes, complaint: str) -> None:
    with pytest.raises(DocumentError) as caught:
        extract(io.BytesIO(data), tmp_path, "test")
    assert complaint in caught.value.message


@pytest.mark.parametrize("size", [513, 514, 1023, 1024, 1536])
def test_what_fills_the_last_block_may_be_missing(tmp_path: Path, size: int) -> None:
    """As for Go's archive/tar, which reads layers and contexts elsewhere."""
    extract(io.BytesIO(archive(("a", {}))[:size]), tmp_path, "test")
    assert (tmp_path / "a").read_bytes() == b"x"


def test_bounds(tmp_path: Path) -> None:
    data = archive(("a", {}), ("b", {}), ("c", {}))
    with pytest.raises(DocumentError, match="more than 2 entries"):
        list(read_tar(io.BytesIO(data), "test", Limits(entries=2)))
    with pytest.raises(DocumentError, match="more than 2 bytes"):
        list(read_tar(io.BytesIO(data), "test", Limits(size=2)))


@settings(max_examples=200)
@given(data=st.binary(max_size=600), at=st.integers(0, 1500))
def test_a_changed_archive_gives_one_kind_of_error(data: bytes, at: int) -> None:
    whole = bytearray(archive(("folder/name", {"pax_headers": {"comment": "c"}}), ("b", {})))
    whole[at : at + len(data)] = data
    try:
        for member in read_tar(io.BytesIO(bytes(whole)), "test"):
            b"".join(member.content())
    except DocumentError:
        pass


# Compression


@given(data=st.binary(max_size=5000))
@pytest.mark.parametrize("kind", ["zstd", "gzip", "none"])
def test_what_is_compressed_comes_back(kind: str, data: bytes) -> None:
    running = encoder(kind)  # type: ignore[arg-type]
    packed = running.compress(data) + running.flush()
    media_type = {"zstd": LAYER_ZSTD, "gzip": LAYER_GZIP, "none": LAYER}[kind]
    source = decoder(io.BytesIO(packed), media_type, "test")
    assert b"".join(iter(lambda: source.read(100), b"")) == data


def test_several_members_and_skippable_frames(tmp_path: Path) -> None:
    two = gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two")
    source = decoder(io.BytesIO(two), LAYER_GZIP, "test")
    assert b"".join(iter(lambda: source.read(100), b"")) == b"one two"
    skippable = b"\x50\x2a\x4d\x18\x04\x00\x00\x00skip"
    frames = zstandard.compress(b"one ") + skippable + zstandard.compress(b"two")
    source = decoder(io.BytesIO(frames), LAYER_ZSTD, "test")
    assert b"".join(iter(lambda: source.read(100), b"")) == b"one two"


@pytest.mark.parametrize("media_type", [LAYER_GZIP, LAYER_ZSTD])
@pytest.mark.parametrize("tail", [b"garbage after the end", b"\x00" * 20])
def test_garbage_after_compressed_data_is_refused(media_type: str, tail: bytes) -> None:
    packed = (gzip.compress if media_type == LAYER_GZIP else zstandard.compress)(b"data" * 1000)
    with pytest.raises(DocumentError, match="data"):
        source = decoder(io.BytesIO(packed + tail), media_type, "test")
        while source.read(1000):
            pass


def test_truncated_gzip_is_refused() -> None:
    source = decoder(io.BytesIO(gzip.compress(b"data" * 1000)[:-9]), LAYER_GZIP, "test")
    with pytest.raises(DocumentError, match="too soon"):
        while source.read(1000):
            pass


def test_another_type_is_no_layer() -> None:
    with pytest.raises(DocumentError, match="not a layer"):
        decoder(io.BytesIO(), "application/json", "test")


@pytest.mark.parametrize("data", [b"just a text\n", b"x" * 511])
def test_a_text_is_no_archive_that_ends_too_soon(data: bytes) -> None:
    with pytest.raises(DocumentError, match="not a tar archive"):
        list(read_tar(io.BytesIO(data), "notes.txt"))


@pytest.mark.parametrize("behind", [b"", bytes(1024), bytes(200_000), gzip.compress(b" and more") + bytes(3)])
def test_nuls_behind_gzip_data_are_padding_but_not_in_a_layer(behind: bytes) -> None:
    data = gzip.compress(b"x" * 100_000) + behind

    def whole(source: Source) -> bytes:
        return b"".join(iter(lambda: source.read(4096), b""))

    more = b" and more" if behind.strip(b"\0") else b""
    assert whole(uncompressed(io.BytesIO(data), "f")) == b"x" * 100_000 + more
    if behind:
        with pytest.raises(DocumentError):
            whole(decoder(io.BytesIO(data), LAYER_GZIP, "layer"))
    with pytest.raises(DocumentError):
        whole(uncompressed(io.BytesIO(data + b"junk"), "f"))
