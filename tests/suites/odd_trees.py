"""Any tree that a step can leave: every kind of entry, odd names, owners, times and attributes, holes."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

from suites.trees import make_folders

CAPABILITY = b"\x01\x00\x00\x02\x00\x20\x00\x00" + bytes(12)
"""cap_net_raw, permitted and effective."""
_NAMES = st.one_of(
    st.sampled_from([b"a", b"b", b"-dash", b"with space", b"x\ny", b"...", b"=", b"%41", b"\\", b"'\"", b"\x7f\x01"]),
    st.sampled_from([b"not\xffutf8", "\u00fcml\u00e4ut".encode(), b"n" * 99, b"n" * 100, b"n" * 101]),
    st.integers(252, 255).map(lambda length: b"l" * length),
    st.binary(min_size=1, max_size=12).filter(lambda name: not {0, 47} & set(name) and name not in (b".", b"..")),
).filter(lambda name: not name.startswith(b".wh."))
_TARGETS = st.one_of(
    st.sampled_from([b".", b"/", b"..", b"a", b"../a", b"/etc", b"t" * 100, b"t" * 101, b"/" + b"t/" * 1500]),
    st.binary(min_size=1, max_size=200).filter(lambda target: 0 not in target),
)
_OWNERS = st.sampled_from([0, 1, 1000, 0o7777777, 0o7777777 + 1, 2**31, 2**32 - 2])
_TIMES = st.sampled_from([0, 1, 10**18, -(10**18), 4 * 10**18, 253402300800 * 10**9])
_DEVICES = st.sampled_from([(1, 3), (0, 1), (4095, 2**20 - 1), (8, 0)])


@dataclass(frozen=True, slots=True)
class Odd:
    """One entry to make."""

    folder: tuple[bytes, ...]
    name: bytes
    kind: str
    mode: int
    owner: tuple[int, int]
    content: bytes
    hole: int
    target: bytes
    device: tuple[int, int]
    attribute: tuple[str, bytes] | None
    time: int


_KINDS = st.sampled_from(["file", "file", "directory", "symlink", "hardlink", "fifo", "character", "block"])
ODD = st.builds(
    Odd,
    st.lists(_NAMES, max_size=4).map(tuple),
    _NAMES,
    _KINDS,
    st.integers(0, 0o7777),
    st.tuples(_OWNERS, _OWNERS),
    st.binary(max_size=1500),
    st.sampled_from([0, 0, 511, 512, 3_000_000]),
    _TARGETS,
    _DEVICES,
    st.one_of(
        st.none(),
        st.tuples(st.sampled_from(["user.a", "user.\u00fc", "user.two.parts"]), st.binary(min_size=1, max_size=300)),
        st.just(("security.capability", CAPABILITY)),
    ),
    _TIMES,
)


def make(root: Path, entries: list[Odd]) -> None:
    """Makes what is described, leaving out what is in the way of something made before or too long."""
    made: list[bytes] = []
    folders: list[tuple[bytes, Odd]] = []
    for odd in entries:
        folder = make_folders(os.fsencode(root), odd.folder)
        if folder is None:
            continue
        path = os.path.join(folder, odd.name)
        if os.path.lexists(path) or len(path) > 3700:
            continue
        if odd.kind == "hardlink":
            if made:
                os.link(made[len(odd.content) % len(made)], path, follow_symlinks=False)
            continue
        _make(path, odd)
        (folders.append((path, odd)) if odd.kind == "directory" else made.append(path))
    for path, odd in folders[::-1]:
        os.chmod(path, odd.mode)


def _make(path: bytes, odd: Odd) -> None:
    if odd.kind == "symlink":
        os.symlink(odd.target, path)
    elif odd.kind == "directory":
        os.mkdir(path)
    elif odd.kind in ("fifo", "character", "block"):
        kind = {"fifo": stat.S_IFIFO, "character": stat.S_IFCHR, "block": stat.S_IFBLK}[odd.kind]
        os.mknod(path, kind | 0o600, os.makedev(*odd.device))
    else:
        with open(path, "xb") as file:
            file.write(odd.content)
            file.seek(odd.hole, os.SEEK_CUR)
            file.write(odd.content[:1])
            file.truncate(len(odd.content) + odd.hole)
    os.chown(path, *odd.owner, follow_symlinks=False)
    if odd.kind not in ("symlink", "directory"):
        os.chmod(path, odd.mode)
    if odd.attribute and (odd.kind == "file" or (odd.kind == "directory" and odd.attribute[0].startswith("user."))):
        os.setxattr(path, *odd.attribute)
    os.utime(path, ns=(odd.time, odd.time), follow_symlinks=False)
