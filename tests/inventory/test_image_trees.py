"""The tree of an image in memory is the one that unpacking its layers gives on a disk."""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lading.inventory.trees.comparison import compare_images, compare_trees
from lading.inventory.trees.file_nodes import FileNode
from lading.store.archives.merged_layers import unpack_merged
from lading.store.archives.trees import scan
from lading.store.errors import DocumentError, LadingError
from suites.machine import needs
from suites.odd_trees import ODD, make
from suites.tars import Member, archive, file, opened

NAMES = st.sampled_from(["a", "b", "c", ".wh.a", ".wh.b", ".wh..wh..opq", ".wh..wh.plnk"])
PATHS = st.lists(NAMES.filter(lambda name: not name.startswith(".wh.")), max_size=2).flatmap(
    lambda above: NAMES.map(lambda name: "/".join([*above, name]))
)
MEMBERS = st.tuples(
    PATHS,
    st.sampled_from([tarfile.REGTYPE, tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE]),
    st.sampled_from(["a", "b", "a/b", "../c", "/b", "a/../c", ".", "missing"]),
    st.sampled_from([0o644, 0o755, 0o4755, 0o700]),
    st.sampled_from([0, 1000]),
)
LAYERS = st.lists(st.lists(MEMBERS, max_size=8), min_size=1, max_size=3)


def listed(root: FileNode) -> dict[bytes, tuple[object, ...]]:
    """What a tree holds: names of one file are told by the first of them."""
    groups: dict[int, bytes] = {}
    found: dict[bytes, tuple[object, ...]] = {}
    for path, node in sorted(root.walk()):
        owner = (node.mode, node.uid, node.gid) if node.kind != "symlink" else (node.uid, node.gid)
        group = groups.setdefault(id(node), path)
        content = node.sha256 if node.kind == "file" else node.target
        found[path] = (node.kind, owner, content, node.device, node.xattrs, node.mtime, group)
    return found


def on_disk(folder: Path) -> dict[bytes, tuple[object, ...]]:
    """The same of a folder."""
    found: dict[bytes, tuple[object, ...]] = {}
    first: dict[bytes, bytes] = {}
    entries = {entry.path: entry for entry in scan(folder).entries}
    for path, entry in entries.items():
        info = os.lstat(os.path.join(os.fsencode(folder), path))
        group = first.setdefault(path, entry.target if entry.kind == "hardlink" else path)
        entry = entries[group]
        owner = (entry.mode, entry.uid, entry.gid) if entry.kind != "symlink" else (entry.uid, entry.gid)
        content: object = entry.target
        if entry.kind == "file":
            content = hashlib.sha256(Path(os.fsdecode(folder), os.fsdecode(path)).read_bytes()).hexdigest()
        xattrs = tuple(sorted(entry.xattrs))
        found[path] = (entry.kind, owner, content, entry.device, xattrs, info.st_mtime_ns, group)
    return found


def both(layers: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as place:
        image = opened(*layers)
        target = Path(place, "target")
        target.mkdir()
        try:
            unpack_merged(image.blobs, image.layers, target)  # type: ignore[arg-type]
        except LadingError:
            with pytest.raises(DocumentError):
                image.tree()
            return
        assert listed(image.tree()) == on_disk(target)


@needs("root")
def test_a_folder_that_hides_what_is_below_it_more_than_once() -> None:
    hides = ("a/.wh..wh..opq", b"0", "", 0o644, 0)
    files = [(name, b"0", "text", 0o644, 0) for name in ("b", "a/a")]
    both([archive([hides, hides], 1)])
    both([archive(files, 1), archive([hides], 1)])
    both([archive(files, 1), archive([hides, files[1], hides], 1), archive([hides], 1)])


@needs("root")
def test_folders_that_a_layer_hides_and_does_not_mention_keep_their_modes() -> None:
    below = [("a", b"5", "", 0o700, 5), ("a/b", b"5", "", 0o711, 6), ("a/b/c", b"0", "text", 0o644, 0)]
    hides = [(f"{folder}/.wh..wh..opq", b"0", "", 0o644, 0) for folder in ("a", "a/b")]
    for above in ([hides[0]], [hides[1]], hides, [hides[0], ("a/b/d", b"0", "text", 0o644, 0)]):
        both([archive(below, 1), archive(above, 1)])


@needs("root")
def test_a_folder_that_a_link_to_itself_replaces() -> None:
    both([archive([("a/a", b"0", "text", 0o644, 0), ("a", b"2", "a", 0o777, 0)], 1)])
    both([archive([("a", b"2", "a", 0o777, 0), ("a/.wh.a", b"0", "", 0o644, 0)], 1)])
    both([archive([("a", b"2", "a", 0o777, 0), ("a/a/.wh..wh..opq", b"0", "", 0o644, 0)], 1)])


@needs("root")
@given(LAYERS)
@settings(max_examples=150)
def test_layers_of_any_archives_are_what_unpacking_makes_of_them(layers: list[list[Member]]) -> None:
    both([archive(members, 1) for members in layers])


@needs("root")
@given(st.lists(ODD, max_size=12))
@settings(max_examples=30)
def test_odd_entries_are_read_as_they_are_unpacked(entries: list[object]) -> None:
    from lading.store.archives.writer import write_tar

    with tempfile.TemporaryDirectory() as place:
        make(Path(place), entries)  # type: ignore[arg-type]
        made = bytearray()
        write_tar(scan(Path(place)), made.extend, 10**9)
    both([bytes(made)])


def test_what_differs_is_named() -> None:
    one = [file("same"), file("content", "one"), file("mode"), file("owner"), file("gone"), file("kind")]
    other = [file("same"), file("content", "two"), file("mode", mode=0o755), file("owner", owner=7), file("new")]
    other.append(("kind", tarfile.SYMTYPE, "same", 0o777, 0))
    a, b = opened(archive(one)), opened(archive(other))
    found = compare_images(a, b)
    assert {item.path.decode(): item.what for item in found.files} == {
        "content": ("content",),
        "mode": ("mode",),
        "owner": ("owner",),
        "gone": (),
        "new": (),
        "kind": ("type",),
    }
    assert [layer.number for layer in found.layers] == [0]
    assert not found.times
    assert compare_images(a, a).same


def test_layers_that_both_have_are_no_difference_and_removals_are() -> None:
    base = archive([file("etc/one"), file("etc/two")])
    found = compare_images(
        opened(base, archive([file("etc/.wh.one", "")])), opened(base, archive([file("etc/two", "other")]))
    )
    assert (found.files[0].what, found.files[0].first) == ((), None)
    assert [item.path for item in found.files] == [b"etc/one", b"etc/two"]
    assert {layer.number for layer in found.layers} == {1}


def test_names_of_one_file_differ_from_two_files() -> None:
    linked = [file("a"), ("b", tarfile.LNKTYPE, "a", 0o644, 0)]
    one, other = opened(archive(linked)).tree(), opened(archive([file("a"), file("b")])).tree()
    assert {(item.path, "links" in item.what) for item in compare_trees(one, other)} == {(b"b", True)}
