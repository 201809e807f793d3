"""Trees: what a layer or a folder contains, without times.

A tree's listing is one RFC 8785 JSON document::

    {"entries": [{"path": "usr/bin/app", "type": "file", "mode": 493, "uid": 0, "gid": 0,
                  "size": 5, "sha256": "…"}, …]}

Entries are sorted by the bytes of their paths. `type` is ``file``, ``directory``, ``symlink``, ``hardlink``,
``character``, ``block``, ``fifo`` or ``whiteout`` (something below is removed). Members beside `path` and `type`:

- `mode` (twelve permission bits), `uid`, `gid`: all but hardlink and whiteout;
- `size` in bytes and `sha256`: file;
- `target`: of a symlink its text, of a hardlink the path of the first entry of its group;
- `device`: ``major:minor`` of character and block;
- `opaque`: true on a directory that hides what is below it;
- `xattrs`: name to base64 of the value, where there are any.

Paths, targets and names of attributes are UTF-8; ``%`` and bytes that are not UTF-8 are percent-encoded. The
tree's root is the SHA-256 of the listing.
"""

from __future__ import annotations

import errno
import os
import stat
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from json.encoder import encode_basestring
from typing import Final, Literal

from lading.store.content.ownership import in_image
from lading.store.errors import InputError, MachineError
from lading.store.fastclass import dataclass, field
from lading.store.oci.digests import Digest

Kind = Literal["file", "directory", "symlink", "hardlink", "character", "block", "fifo", "whiteout"]

OPAQUE_NAME: Final = b".wh..wh..opq"
"""In a layer: the folder that it lies in hides all that is below it."""


@dataclass(frozen=True, slots=True)
class Marks:
    """How a folder of changes says what they remove: by a file of type `removal` under a name that is gone.

    A folder that hides all that is below it has the attribute `opaque`, or where that is empty a socket of
    `OPAQUE_NAME`.
    """

    removal: int
    opaque: str

    def removes(self, info: os.stat_result) -> bool:
        """Whether a file stands for a name that is gone."""
        return stat.S_IFMT(info.st_mode) == self.removal and info.st_rdev == 0

    def hide(self, folder: int) -> None:
        """Marks an open folder as one that hides all that is below it."""
        if self.opaque:
            os.setxattr(f"/proc/self/fd/{folder}", self.opaque, b"y")
        elif not self.hides(folder):
            os.mknod(OPAQUE_NAME, self.removal, dir_fd=folder)

    def hides(self, folder: int) -> bool:
        """Whether an open folder is marked so."""
        if self.opaque:
            return self.opaque in os.listxattr(f"/proc/self/fd/{folder}")
        with suppress(FileNotFoundError):
            return self.removes(os.stat(OPAQUE_NAME, dir_fd=folder, follow_symlinks=False))
        return False

    def unhide(self, folder: int) -> None:
        """Takes that mark off; the folder's time stays."""
        if self.opaque:
            os.removexattr(f"/proc/self/fd/{folder}", self.opaque)
        else:
            info = os.fstat(folder)
            os.unlink(OPAQUE_NAME, dir_fd=folder)
            os.utime(f"/proc/self/fd/{folder}", ns=(info.st_atime_ns, info.st_mtime_ns))


OVERLAY: Final = Marks(stat.S_IFCHR, "trusted.overlay.opaque")
"""Overlayfs's own. Only the kernel and root outside set the attribute."""
USER_OVERLAY: Final = Marks(stat.S_IFCHR, "user.overlay.opaque")
"""Overlayfs's in a user namespace. Through its mount nobody sets the attribute; under `OVERLAY` it means nothing."""
PLAIN: Final = Marks(stat.S_IFSOCK, "")
"""For folders that hold no sockets otherwise: what anybody may make on any file system, overlayfs included."""
_SPECIAL: Final[dict[int, Kind]] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "character",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
}


# Not frozen: thirty thousand of them are made at once, and freezing doubles what one costs.
@dataclass(slots=True)
class Entry:
    """One entry; `path` and `target` as the file system has them, `sha256` in hexadecimal once it is known."""

    path: bytes
    kind: Kind
    mode: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    target: bytes = b""
    device: tuple[int, int] = (0, 0)
    xattrs: tuple[tuple[str, bytes], ...] = ()
    opaque: bool = False
    sha256: str = ""


@dataclass(slots=True)
class Tree:
    """The entries below `folder`, sorted, whose files' content is read from there.

    What no layer can hold is named apart: sockets, and attributes with an empty value, which Go's readers of PAX
    headers pass over.
    """

    folder: bytes
    entries: list[Entry] = field(default_factory=list[Entry])
    sockets: list[bytes] = field(default_factory=list[bytes])
    empty: list[tuple[bytes, str]] = field(default_factory=list[tuple[bytes, str]])

    def source(self, entry: Entry) -> bytes:
        """Where the entry is."""
        return os.path.join(self.folder, entry.path)

    def listing(self) -> bytes:
        """The document. Files whose digest is not known yet are read."""
        for entry in self.entries:
            if entry.kind == "file" and not entry.sha256:
                import hashlib  # noqa: PLC0415 - only where a file is read

                with open(self.source(entry), "rb") as stream:
                    entry.sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        return f'{{"entries":[{",".join(map(_json, self.entries))}]}}'.encode()

    def root(self) -> Digest:
        """The SHA-256 of the listing."""
        return Digest.of(self.listing())


def text(name: bytes) -> str:
    """`name` as it stands in a listing."""
    encoded = name.replace(b"%", b"%25")
    try:
        return encoded.decode()
    except UnicodeDecodeError:
        return "".join(
            f"%{ord(char) - 0xDC00:02X}" if "\udc80" <= char <= "\udcff" else char
            for char in encoded.decode("utf-8", "surrogateescape")
        )


def _json(entry: Entry) -> str:
    """Members in their canonical order, which is that of their names."""
    quote = encode_basestring
    if entry.kind == "file" and not entry.xattrs:  # what most are
        return (
            f'{{"gid":{entry.gid},"mode":{entry.mode},"path":{quote(text(entry.path))},'
            f'"sha256":"{entry.sha256}","size":{entry.size},"type":"file","uid":{entry.uid}}}'
        )
    parts: list[str] = []
    if entry.kind in ("character", "block"):
        parts.append(f'"device":"{entry.device[0]}:{entry.device[1]}"')
    owned = entry.kind not in ("hardlink", "whiteout")
    if owned:
        parts.append(f'"gid":{entry.gid},"mode":{entry.mode}')
    if entry.opaque:
        parts.append('"opaque":true')
    parts.append(f'"path":{quote(text(entry.path))}')
    if entry.kind == "file":
        parts.append(f'"sha256":"{entry.sha256}","size":{entry.size}')
    if entry.kind in ("symlink", "hardlink"):
        parts.append(f'"target":{quote(text(entry.target))}')
    parts.append(f'"type":"{entry.kind}"')
    if owned:
        parts.append(f'"uid":{entry.uid}')
    if entry.xattrs:
        named = sorted((text(os.fsencode(name)), value) for name, value in entry.xattrs)
        values = ",".join(f'{quote(name)}:"{b64encode(value).decode()}"' for name, value in named)
        parts.append(f'"xattrs":{{{values}}}')
    return f"{{{','.join(parts)}}}"


def bytes_of(path: os.PathLike[str]) -> int:
    """Of a file, or of all files below a folder, each once however many names it has; not of what goes meanwhile."""
    found: dict[tuple[int, int], int] = {}
    below = (os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)
    for file in chain([os.fspath(path)], below):
        with suppress(FileNotFoundError, NotADirectoryError):
            info = os.lstat(file)
            found[info.st_dev, info.st_ino] = info.st_size if stat.S_ISREG(info.st_mode) else 0
    return sum(found.values())


def capture(upper: os.PathLike[str], marks: Marks = OVERLAY) -> Tree:
    """The tree of an overlay's upper folder, or of another that has `marks`: what was added, changed and removed.

    Sockets are left out. Raises `InputError` for a name that a layer cannot hold.
    """
    return _tree(os.fsencode(upper), marks)


def scan(folder: os.PathLike[str]) -> Tree:
    """The tree of a plain folder. Sockets and empty attributes are left out."""
    return _tree(os.fsencode(folder), None)


def _tree(folder: bytes, marks: Marks | None) -> Tree:
    try:
        return _walked(folder, marks)
    except OSError as error:
        where = text(os.fsencode(error.filename or folder))
        raise MachineError(f"{where}: {error.strerror}") from error


def _walked(folder: bytes, marks: Marks | None) -> Tree:
    found: list[Entry] = []
    tree = Tree(folder)
    inodes: dict[tuple[int, int], list[Entry]] = {}
    for path, info in walk(folder):
        name = path[len(folder) + 1 :]
        if marks and marks.removes(info):
            _check_name(name)
            found.append(Entry(name, "whiteout"))
            continue
        kind = _SPECIAL.get(stat.S_IFMT(info.st_mode))
        if kind is None:
            tree.sockets.append(path)
            continue
        _check_name(name)
        entry = _entry(name, path, kind, info, marks.opaque if marks else "")
        for attribute, _ in [pair for pair in entry.xattrs if not pair[1]]:
            tree.empty.append((path, attribute))
            entry.xattrs = tuple(pair for pair in entry.xattrs if pair[1])
        if info.st_nlink > 1 and kind != "directory":
            inodes.setdefault((info.st_dev, info.st_ino), []).append(entry)
        found.append(entry)
    found.sort(key=lambda entry: entry.path)
    for group in inodes.values():
        _link(group)
    tree.entries = found
    return tree


def _link(group: list[Entry]) -> None:
    """Of several names of one inode the first is the file, the others are links to it."""
    first = min(group, key=lambda entry: entry.path)
    for entry in group:
        if entry is not first:
            entry.kind, entry.target, entry.size, entry.xattrs = "hardlink", first.path, 0, ()


def _check_name(name: bytes) -> None:
    if name.rpartition(b"/")[2].startswith(b".wh."):
        raise InputError(
            f"{text(name)}: a layer cannot hold a name that begins with .wh., it would remove something",
            hint="rename the file, or remove it in the step that made it",
        )


def _entry(name: bytes, path: bytes, kind: Kind, info: os.stat_result, opaque: str) -> Entry:
    entry = Entry(name, kind, stat.S_IMODE(info.st_mode), *in_image(info))
    if kind == "symlink":
        entry.target = os.readlink(path)
        return entry
    if kind == "file":
        entry.size = info.st_size
    elif kind in ("character", "block"):
        entry.device = (os.major(info.st_rdev), os.minor(info.st_rdev))
    for attribute in os.listxattr(path, follow_symlinks=False):
        if attribute == opaque:
            entry.opaque = os.getxattr(path, attribute, follow_symlinks=False) == b"y"
        elif kept(attribute):
            _check_attribute(name, attribute)
            value = os.getxattr(path, attribute, follow_symlinks=False)
            entry.xattrs = (*entry.xattrs, (attribute, value))
    return entry


def _check_attribute(name: bytes, attribute: str) -> None:
    if "=" in attribute:
        raise InputError(f"{text(name)}: a layer cannot hold an extended attribute with = in its name: {attribute!r}")


def kept(attribute: str) -> bool:
    """Whether an extended attribute belongs to content: users' own and file capabilities, nothing of the host's."""
    if attribute == "security.capability":
        return True
    return attribute.startswith("user.") and not attribute.startswith("user.overlay.")


def walk(folder: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    """Everything below `folder` but itself, each with its lstat; a folder before its content, names sorted.

    Raises `InputError` for a tree deeper than a path can say: whoever runs a step chooses its depth.
    """
    pending = _sorted(folder)
    while pending:
        entry = pending.pop()
        try:
            info = entry.stat(follow_symlinks=False)
            yield entry.path, info
            if stat.S_ISDIR(info.st_mode):
                pending += _sorted(entry.path)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            where = text(entry.path[len(folder) + 1 :][:80])
            raise InputError(f"{where}...: folders nested so deeply that no path reaches their end") from None


def _sorted(folder: bytes) -> list[os.DirEntry[bytes]]:
    """The entries of a folder, the first one last, where it is taken from."""
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name, reverse=True)
