"""Trees for tests: random ones, made on the disk, and what is really there, by lstat."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from hypothesis import strategies as st

_NAMES = st.sampled_from(
    [
        b"a",
        b"b",
        b"-dash",
        b"with space",
        "\u00fcml\u00e4ut".encode(),
        b"not\xffutf8",
        b"%41",
        b"n" * 120,
        b"x\ny",
        b"...",
    ]
)
_DIRECTORIES = st.lists(_NAMES, max_size=3).map(tuple)
_MODES = st.sampled_from([0o644, 0o755, 0o600, 0o4755, 0o2755, 0o1777, 0o000])

ENTRIES = st.lists(
    st.tuples(
        _DIRECTORIES,
        _NAMES,
        st.sampled_from(["file", "directory", "symlink", "hardlink", "fifo", "device"]),
        _MODES,
        st.sampled_from([0, 1000, 3_000_000]),
        st.binary(max_size=1500),
        st.booleans(),
    ),
    max_size=12,
)
"""What `make` makes: folder, name, kind, mode, owner, content, whether it has an attribute."""


def make(root: Path, entries: list[tuple[tuple[bytes, ...], bytes, str, int, int, bytes, bool]]) -> None:
    """Makes what is described, leaving out what is in the way of something made before."""
    os.umask(0o022)
    files: list[bytes] = []
    folders: list[tuple[bytes, int, int]] = []
    for parts, name, kind, mode, owner, content, attribute in entries:
        folder = make_folders(os.fsencode(root), parts)
        if folder is None:
            continue
        path = os.path.join(folder, name)
        if os.path.lexists(path):
            continue
        if kind == "symlink":
            os.symlink(content.replace(b"\0", b"")[:200] or b"x", path)
            os.chown(path, owner, owner, follow_symlinks=False)
            continue
        if kind == "hardlink" and files:
            os.link(files[len(content) % len(files)], path)
            continue
        if kind == "directory":
            os.mkdir(path)
            folders.append((path, mode, owner))
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "device":
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3 + len(content) % 4))
        else:
            Path(os.fsdecode(path)).write_bytes(content)
            files.append(path)
        os.chown(path, owner, owner)
        if attribute and kind in ("file", "directory"):
            os.setxattr(path, "user.test", content[:20] or b"x")  # an empty one no layer holds
        if kind != "directory":
            os.chmod(path, mode)
    for path, mode, owner in folders:
        os.chown(path, owner, owner)
        os.chmod(path, mode)


def make_folders(folder: bytes, parts: tuple[bytes, ...]) -> bytes | None:
    """Makes the folders on the way, never through a link; None where something else is in the way."""
    for part in parts:
        folder = os.path.join(folder, part)
        if not os.path.lexists(folder):
            os.mkdir(folder)
        elif not stat.S_ISDIR(os.lstat(folder).st_mode):
            return None
    return folder


def seen(root: Path, *, times: bool = False) -> dict[bytes, tuple[object, ...]]:
    """What lstat, readlink, read and getxattr say of everything below `root`; inodes as groups of names."""
    result: dict[bytes, tuple[object, ...]] = {}
    groups: dict[int, bytes] = {}
    top = os.fsencode(root)
    for folder, names, files in os.walk(top):
        names.sort()
        for name in sorted([*names, *files]):
            path = os.path.join(folder, name)
            info = os.lstat(path)
            relative = path[len(top) + 1 :]
            content: object = b""
            if stat.S_ISLNK(info.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(info.st_mode):
                content = Path(os.fsdecode(path)).read_bytes()
            attributes = ()
            if not stat.S_ISLNK(info.st_mode):
                attributes = tuple(
                    (key, os.getxattr(path, key))
                    for key in sorted(os.listxattr(path))
                    if key.startswith(("user.", "security.capability"))
                )
            group = (
                groups.setdefault(info.st_ino, relative)
                if info.st_nlink > 1 and not stat.S_ISDIR(info.st_mode)
                else b""
            )
            device = info.st_rdev if stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode) else 0
            time = info.st_mtime_ns if times else 0
            result[relative] = (info.st_mode, info.st_uid, info.st_gid, content, device, attributes, group, time)
    return result
