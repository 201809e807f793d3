"""Archives, trees and folders made to trip: odd numbers, depth, inherited groups, many folders, names of no text."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lading.store.archives.extract_archive import extract, extract_layer
from lading.store.archives.layer_limits import Limits
from lading.store.archives.layers import apply_layer, write_layer
from lading.store.archives.reader import read_tar
from lading.store.archives.trees import capture, scan
from lading.store.archives.writer import write_tar
from lading.store.content.memory import MemoryBlobs
from lading.store.errors import DocumentError, InputError, LadingError
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import LAYER
from lading.store.snapshots.seals import first_difference
from lading.store.store import Store
from suites.machine import needs
from suites.snapshots import mounted

FOLDER = {"type": tarfile.DIRTYPE, "mode": 0o755}


def archive(*members: tuple[str, dict], kind: int = tarfile.PAX_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=kind) as out:
        for name, attributes in members:
            info = tarfile.TarInfo(name)
            for key, value in attributes.items():
                setattr(info, key, value)
            info.size = int(info.isreg())
            out.addfile(info, io.BytesIO(b"x") if info.isreg() else None)
    return stream.getvalue()


def unpack(data: bytes, folder: Path) -> None:
    extract(io.BytesIO(data), folder, "test")


def pax(**records: str) -> dict:
    return {"pax_headers": records}


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (archive(("a", pax(mtime="--5"))), "mtime="),
        (archive(("a", pax(uid="9999999999999"))), "the uid 9999999999999"),
        (archive(("a", {"uid": 2**32 - 1})), "the uid 4294967295"),
        (archive(("a", {"gid": 2**32 - 1})), "the gid 4294967295"),
        (archive(("a", {"mtime": 2**70}), kind=tarfile.GNU_FORMAT), "the number"),
        (archive(("a", {"type": tarfile.CHRTYPE, "devmajor": 5000, "devminor": 1})), "no system has: 5000:1"),
        (archive(("link", {"type": tarfile.SYMTYPE, "linkname": "gone"}), ("link/f", {})), "not there"),
    ],
)
def test_odd_numbers_and_names_are_refused(tmp_path: Path, data: bytes, complaint: str) -> None:
    with pytest.raises(DocumentError) as caught:
        unpack(data, tmp_path)
    assert complaint in caught.value.message


@pytest.mark.parametrize("field", [b"0_6_4_4\0", b"+000644\0", b"-000644\0", b"0o644\0\0\0", b"00064 4\0"])
def test_octal_is_octal(tmp_path: Path, field: bytes) -> None:
    header = bytearray(archive(("a", {})))
    header[100:108] = field
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    with pytest.raises(DocumentError, match="the number"):
        unpack(bytes(header), tmp_path)


@pytest.mark.parametrize("time", ["999999999999999", "-5.5", "-0.5"])
def test_times_that_no_file_system_holds(tmp_path: Path, time: str) -> None:
    unpack(archive(("a", pax(mtime=time))), tmp_path)
    assert (tmp_path / "a").stat().st_mtime == 0


_NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70).map(str), st.text("0123456789.-_+", max_size=25), st.floats().map(str)
)


@settings(max_examples=150)
@given(records=st.dictionaries(st.sampled_from(["mtime", "uid", "gid", "size", "path", "linkpath"]), _NUMBERS))
def test_numbers_of_extended_headers_give_one_kind_of_error(
    records: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    try:
        unpack(archive(("a", pax(**records))), tmp_path_factory.mktemp("t"))
    except LadingError as error:
        assert "\n" not in error.message


def test_bytes_after_the_end_are_bounded() -> None:
    class Endless:
        def __init__(self) -> None:
            self.head = archive(("a", {}))

        def read(self, size: int, /) -> bytes:
            data, self.head = self.head or bytes(size), b""
            return data

    with pytest.raises(DocumentError, match="larger than allowed"):
        list(read_tar(Endless(), "test", Limits(size=1)))


def test_names_are_bounded(tmp_path: Path) -> None:
    data = archive(*((f"{'d/' * 100}{number}", {}) for number in range(10)))
    with pytest.raises(DocumentError, match="more names"):
        extract(io.BytesIO(data), tmp_path, "test", limits=Limits(paths=1000))


@needs("root")
def test_a_setgid_folder_gives_its_group_to_nothing(tmp_path: Path) -> None:
    mail = tmp_path / "mail"
    mail.mkdir()
    os.chown(mail, 0, 8)
    mail.chmod(0o2775)
    link = {"type": tarfile.SYMTYPE, "linkname": "x"}
    unpack(archive(("mail/file", {}), ("mail/link", link), ("mail/d/file", {})), tmp_path)
    for name in ("file", "link", "d", "d/file"):
        info = (mail / name).lstat()
        assert (info.st_gid, info.st_mode & 0o7000) == (0, 0)


def test_more_folders_than_are_kept_open(tmp_path: Path) -> None:
    """Descriptors are closed between members, never under the hands of one."""
    members = [(f"{number}/sub", FOLDER) for number in range(400)]
    members += [(f"{number}/sub/f", {}) for number in range(400)]
    hard = [
        (f"{399 - number}/sub/hard", {"type": tarfile.LNKTYPE, "linkname": f"{number}/sub/f"}) for number in range(400)
    ]
    unpack(archive(*members, *hard), tmp_path)
    assert all((tmp_path / f"{number}/sub/hard").stat().st_nlink == 2 for number in range(400))


@needs("root", "overlay")
def test_unpacking_twice_gives_the_same_times(tmp_path: Path) -> None:
    """Also of folders that the archive does not mention, above and below what it brings."""
    data = archive(("old/new/file", {"mtime": 1000}), (".wh.gone", {}))
    found = []
    with Store.open(tmp_path / "root") as store:
        store.snapshots.prepare("base", None)
        (store.snapshots.changes("base") / "old").mkdir()
        (store.snapshots.changes("base") / "gone").touch()
        store.snapshots.commit("base", "base")
        with mounted(store.snapshots, "base", tmp_path / "mnt", readonly=True) as below:
            for number in range(2):
                folder = tmp_path / str(number)
                folder.mkdir()
                extract_layer(io.BytesIO(data), folder, "test", below=below)
                found.append([(folder / name).stat().st_mtime for name in ("", "old", "old/new", "old/new/file")])
    assert found == [[1000.0] * 4] * 2


@needs("root", "overlay")
def test_a_folder_loses_the_attributes_of_the_one_below(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    os.setxattr(tmp_path / "d", "user.below", b"1")
    unpack(archive(("d", FOLDER)), tmp_path)
    assert "user.below" not in os.listxattr(tmp_path / "d")


# Trees


@needs("root")
def test_names_of_attributes_that_are_no_text(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for folder in (source, target):
        folder.mkdir()
    (source / "f").touch()
    os.setxattr(source / "f", b"user.\xff%", b"value")
    tree, parts = scan(source), []
    write_tar(tree, lambda data: parts.append(bytes(data)), 0)
    unpack(b"".join(parts), target)
    assert os.getxattr(target / "f", b"user.\xff%") == b"value"
    assert b'"user.%FF%25"' in tree.listing()
    assert scan(target).root() == tree.root()


@needs("root")
def test_an_attribute_that_pax_cannot_hold_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    os.setxattr(tmp_path / "f", "user.a=b", b"value")
    with pytest.raises(InputError, match="= in its name"):
        scan(tmp_path)


@needs("root")
@pytest.mark.parametrize(
    ("name", "value", "opaque"),
    [
        ("trusted.overlay.opaque", b"y", True),
        ("trusted.overlay.opaque", b"x", False),
        ("user.overlay.opaque", b"y", False),
    ],
)
def test_only_the_kernel_says_that_a_folder_is_opaque(tmp_path: Path, name: str, value: bytes, opaque: bool) -> None:
    (tmp_path / "d").mkdir()
    os.setxattr(tmp_path / "d", name, value)
    assert capture(tmp_path).entries[0].opaque is opaque
    assert not scan(tmp_path).entries[0].opaque


@needs("root", "overlay")
@pytest.mark.parametrize("name", ["a,b", "a:b", "a\\b", "a b", "ü"])
def test_a_root_whose_name_means_something_to_overlayfs(tmp_path: Path, name: str) -> None:
    with Store.open(tmp_path / name) as store:
        parent = None
        for layer in ("one", "two"):
            store.snapshots.prepare("work", parent)
            with mounted(store.snapshots, "work", tmp_path / "mnt") as view:
                (view / layer).touch()
            store.snapshots.commit("work", layer)
            parent = layer
        with mounted(store.snapshots, "two", tmp_path / "mnt", readonly=True) as view:
            assert sorted(path.name for path in view.iterdir()) == ["one", "two"]


def test_a_broken_seal_names_the_file_rather_than_its_folder() -> None:
    before = b"40755 0:0 1 1\n40755 0:0 1 1 1 1 0 d\n100644 0:0 1 1 1 1 0 d/f"
    after = b"40755 0:0 1 1\n40755 0:0 1 2 2 1 0 d\n100644 0:0 1 2 2 2 0 d/f"
    assert first_difference(before, after) == "d/f"


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
def test_truncated_anywhere_is_refused(tmp_path: Path, compression: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "f").write_bytes(os.urandom(300_000))
    blobs = MemoryBlobs()
    layer = write_layer(scan(source), blobs, compression=compression)  # type: ignore[arg-type]
    with blobs.open(layer.descriptor.digest) as reader:
        whole = reader.read()
    for size in (1, 100, 512, 100_000, len(whole) - 1):
        with blobs.writer() as writer:
            writer.write(whole[:size])
            digest = writer.commit()
        target = tmp_path / str(size)
        target.mkdir()
        with pytest.raises(DocumentError):
            apply_layer(blobs, Descriptor(layer.descriptor.media_type, digest, size), layer.diff_id, target)


def test_what_follows_the_archive_counts(tmp_path: Path) -> None:
    blobs = MemoryBlobs()
    data = archive(("a", {}))
    with blobs.writer() as writer:
        writer.write(data + b"more")
        digest = writer.commit()
    with pytest.raises(DocumentError, match="config says"):
        apply_layer(blobs, Descriptor(LAYER, digest, len(data) + 4), Digest.of(data), tmp_path)
