"""The tree of one layer, read from its archive: the same that unpacking it into an empty folder gives.

Links in the way of a name are followed within the layer, a later entry takes the place of an earlier one, and removals
are nodes of the kind ``whiteout`` (`lading.store.archives.extract_archive` does the same on a disk).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Final, Protocol

from lading.inventory.trees.file_nodes import FileNode, folder
from lading.store.archives.compression import Source
from lading.store.archives.layer_limits import Limits
from lading.store.archives.reader import Member, read_tar
from lading.store.archives.trees import OPAQUE_NAME, Entry
from lading.store.archives.whiteouts import METADATA, PREFIX
from lading.store.errors import DocumentError

_MAX_LINKS: Final = 40
_CAPABILITY: Final = "security.capability"


class Taster(Protocol):
    """Sees the bytes of a file as they pass."""

    def take(self, piece: bytes) -> None:
        """The next of them."""
        ...

    def kept(self) -> bytes | None:
        """What of them is to be held in the node, at the end of the file."""
        ...


Choose = Callable[[Entry], Taster | None]
"""Who tastes a file, None where nobody wants its content."""


def _nobody(entry: Entry) -> Taster | None:
    del entry
    return None


def read_layer(archive: Source, where: str, number: int, limits: Limits, choose: Choose = _nobody) -> FileNode:
    """The root folder of layer `number`, its archive read to the end. Raises `DocumentError`."""
    tree = _LayerTree(where, number, choose)
    for member in read_tar(archive, where, limits):
        tree.add(member)
    return tree.finish()


class _LayerTree:
    def __init__(self, where: str, number: int, choose: Choose) -> None:
        self._where = where
        self._number = number
        self._choose = choose
        self._root = folder(number)
        self._implied: list[FileNode] = []
        self._latest = 0
        self._last: tuple[bytes, FileNode] = (b"", self._root)

    def add(self, member: Member) -> None:
        """Puts one member in its place."""
        entry = member.entry
        self._latest = max(self._latest, member.mtime)
        if not entry.path:
            return
        above, _, name = entry.path.rpartition(b"/")
        if name.startswith(PREFIX):
            self._remove(above, name)
            return
        children = self._folder(above, entry.path).children
        if entry.kind == "hardlink":
            self._source(entry)
            if name in children:
                self._last = (b"", self._root)
                del children[name]  # and then what it leads to has to be there still
            children[name] = self._linked(member)
        elif entry.kind == "directory" and (there := children.get(name)) and there.is_folder:
            there.dress(entry, member.mtime)
            there.implied = False
        else:
            if name in children:
                self._last = (b"", self._root)  # perhaps what was gone through on the way there
            children[name] = self._node(member)

    def finish(self) -> FileNode:
        """The root; folders that were not mentioned have the archive's latest time, as unpacking gives them."""
        for node in self._implied:
            if node.implied:
                node.mtime = self._latest
        return self._root

    def _node(self, member: Member) -> FileNode:
        entry = member.entry
        if entry.kind == "character" and entry.device == (0, 0):
            raise self._error(entry.path, "the device 0:0 means removal to overlayfs")
        node = FileNode(entry.kind, self._number, size=entry.size, target=entry.target, device=entry.device)
        node.dress(entry, member.mtime)
        if entry.kind not in ("file", "directory"):
            node.xattrs = ()
        if entry.kind == "symlink":
            node.mode = 0o777
        if entry.kind == "file":
            self._read(member, node)
        return node

    def _read(self, member: Member, node: FileNode) -> None:
        taster, running = self._choose(member.entry), hashlib.sha256()
        for piece in member.content():
            running.update(piece)
            if taster:
                taster.take(piece)
        node.sha256 = running.hexdigest()
        node.content = taster.kept() if taster else None

    def _linked(self, member: Member) -> FileNode:
        """A further name; what the archive says of it holds for the file, as docker and podman have it."""
        entry = member.entry
        node = self._source(entry)
        node.linked = True
        if node.kind == "file" and entry.xattrs:
            node.dress(entry, member.mtime)
            return node
        if (node.uid, node.gid) != (entry.uid, entry.gid):
            node.uid, node.gid = entry.uid, entry.gid
            node.xattrs = tuple(pair for pair in node.xattrs if pair[0] != _CAPABILITY)  # as the kernel does
        if node.kind != "symlink":
            node.mode = entry.mode
        return node

    def _source(self, entry: Entry) -> FileNode:
        above, _, base = entry.target.rpartition(b"/")
        node = self._folder(above, entry.path, make=False).children.get(base)
        if node is None or node.kind in ("directory", "whiteout"):
            raise self._error(entry.path, f"a hard link to {os.fsdecode(entry.target)!r}, which is not there")
        return node

    def _remove(self, above: bytes, name: bytes) -> None:
        if name.startswith(METADATA) and name != OPAQUE_NAME:
            return
        try:
            place = self._folder(above, name)
        except _NotAFolderError:
            return  # below a name that this layer removes
        hidden = name.removeprefix(PREFIX)
        if name == OPAQUE_NAME:
            place.opaque = place is not self._root  # of the root, overlayfs does not ask
        elif hidden in (b"", b".", b".."):
            raise self._error(name, "not a name that can be removed")
        elif place.children.setdefault(hidden, FileNode("whiteout", self._number)).kind != "whiteout":
            raise self._error(above + b"/" + name, "removes what the same layer brings")

    def _folder(self, path: bytes, wanted: bytes, *, make: bool = True) -> FileNode:
        """The folder of a name, made where it is missing; archives list one folder's files one after another."""
        if self._last[0] == path:
            return self._last[1]
        walk = _Walk(self._root, path)
        while (name := walk.next()) is not None:
            child = walk.here.children.get(name)
            if child is None:
                if not make or walk.in_link:
                    raise self._error(wanted, "a folder above it is not there")
                child = walk.here.children[name] = folder(self._number)
                self._implied.append(child)
            if not walk.enter(child):
                raise _NotAFolderError(self._error(wanted, "what is above it is not a folder").message)
        self._last = (path, walk.here)
        return walk.here

    def _error(self, path: bytes, what: str) -> DocumentError:
        return DocumentError(f"{self._where}: {os.fsdecode(path)!r}: {what}")


class _NotAFolderError(DocumentError):
    """Something is in the way of a name."""


class _Walk:
    """The way along a path, links followed within the root. `in_link` says that the name is one of a link's."""

    def __init__(self, root: FileNode, path: bytes) -> None:
        self._above = [root]
        self._waiting = path.split(b"/")[::-1]
        self._own = len(self._waiting)
        self._links = 0
        self.in_link = False

    @property
    def here(self) -> FileNode:
        """The folder that was reached."""
        return self._above[-1]

    def next(self) -> bytes | None:
        """The next name to look for, None at the end."""
        while self._waiting:
            name = self._waiting.pop()
            self.in_link = len(self._waiting) >= self._own
            self._own = min(self._own, len(self._waiting))
            if name == b"..":
                self._above = self._above[: max(len(self._above) - 1, 1)]
            elif name not in (b"", b"."):
                return name
        return None

    def enter(self, child: FileNode) -> bool:
        """Goes on into a folder, or where a link leads; False for anything else."""
        if child.kind == "symlink" and self._links < _MAX_LINKS:
            self._links += 1
            if child.target.startswith(b"/"):
                del self._above[1:]
            self._waiting += child.target.split(b"/")[::-1]
            return True
        if child.is_folder:
            self._above.append(child)
        return child.is_folder
