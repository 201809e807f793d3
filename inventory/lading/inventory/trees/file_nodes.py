"""Files and folders of an image in memory: nodes below nodes, each with the layer that it comes from."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from lading.store.archives.trees import Entry, Kind, kept
from lading.store.fastclass import dataclass, field

_MAX_LINKS: Final = 40


# Not frozen, and made by the hundred thousand.
@dataclass(slots=True)
class FileNode:
    """One entry, under however many names; `children` are a folder's, by name.

    `layer` counts from 0, the bottom. `mtime` is in nanoseconds. `implied` is a folder that its layer does not mention,
    `opaque` one that hides what is below it, `linked` what has several names. `content` is held where it was asked for.
    """

    kind: Kind
    layer: int
    mode: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    sha256: str = ""
    target: bytes = b""
    device: tuple[int, int] = (0, 0)
    xattrs: tuple[tuple[str, bytes], ...] = ()
    mtime: int = 0
    opaque: bool = False
    implied: bool = False
    linked: bool = False
    content: bytes | None = None
    children: dict[bytes, FileNode] = field(default_factory=dict[bytes, "FileNode"])

    @property
    def is_folder(self) -> bool:
        """Whether others can be below it."""
        return self.kind == "directory"

    def dress(self, entry: Entry, mtime: int) -> None:
        """Takes over what an archive says of owner, mode, attributes and time."""
        self.mode, self.uid, self.gid, self.mtime = entry.mode, entry.uid, entry.gid, mtime
        self.xattrs = tuple(sorted(pair for pair in entry.xattrs if kept(pair[0])))

    def find(self, path: bytes) -> FileNode | None:
        """What is at a path below, no link followed."""
        found: FileNode | None = self
        for name in path.split(b"/"):
            found = found.children.get(name) if found else None
        return found

    def real(self, path: bytes) -> bytes | None:
        """The path without links in the way of its last word, None where they lead nowhere."""
        here: list[bytes] = []
        waiting, links = path.split(b"/")[::-1], 0
        while waiting:
            name = waiting.pop()
            if name in (b"", b"."):
                continue
            if name == b"..":
                del here[-1:]
                continue
            node = self.find(b"/".join([*here, name]))
            if node is None or links > _MAX_LINKS:
                return None
            if node.kind == "symlink" and waiting:
                links += 1
                here = [] if node.target.startswith(b"/") else here
                waiting += node.target.split(b"/")[::-1]
            else:
                here.append(name)
        return b"/".join(here)

    def walk(self) -> Generator[tuple[bytes, FileNode], None, None]:
        """Everything below with its path, a folder before its content, names sorted."""
        pending = _sorted(b"", self)
        while pending:
            path, node = pending.pop()
            yield path, node
            pending += _sorted(path + b"/", node)

    def copy(self) -> FileNode:
        """A tree of its own: folders are new, of the rest nothing changes any more."""
        made = _folder_like(self)
        pending = [made]
        while pending:
            for name, child in (children := pending.pop().children).items():
                if child.is_folder:
                    children[name] = copied = _folder_like(child)
                    pending.append(copied)
        return made

    def merge(self, upper: FileNode) -> None:
        """Lays the tree of the next layer over this one, as overlayfs shows them. `upper` is used up."""
        pending: list[tuple[FileNode, FileNode]] = [(self, upper)]
        while pending:
            below, above = pending.pop()
            for name, node in above.children.items():
                there = below.children.get(name)
                if node.kind == "whiteout":
                    below.children.pop(name, None)
                elif there and there.is_folder and node.is_folder and not node.opaque:
                    there.take_over(node)
                    pending.append((there, node))
                else:
                    if there:
                        node.adopt(there)
                    below.children[name] = node.settled()

    def adopt(self, below: FileNode) -> None:
        """Gives the folders that a layer does not mention what those have that it hides."""
        pending = [(self, below)]
        while pending:
            node, hidden = pending.pop()
            if node.is_folder and hidden.is_folder:
                if node.implied:
                    node.mode, node.uid, node.gid, node.xattrs = hidden.mode, hidden.uid, hidden.gid, hidden.xattrs
                pending += [
                    (child, hidden.children[name]) for name, child in node.children.items() if name in hidden.children
                ]

    def take_over(self, upper: FileNode) -> None:
        """What a folder of the next layer says of this one."""
        if not upper.implied:
            self.mode, self.uid, self.gid, self.xattrs = upper.mode, upper.uid, upper.gid, upper.xattrs
        self.mtime, self.layer = upper.mtime, upper.layer

    def settled(self) -> FileNode:
        """Without what it removes of layers that are not below it."""
        pending = [self]
        while pending:
            node = pending.pop()
            node.opaque = False
            for name in [name for name, child in node.children.items() if child.kind == "whiteout"]:
                del node.children[name]
            pending += [child for child in node.children.values() if child.is_folder]
        return self


def folder(layer: int) -> FileNode:
    """A folder of which nothing is said."""
    return FileNode("directory", layer, mode=0o755, implied=True)


def names(root: FileNode) -> dict[int, list[bytes]]:
    """The paths of each node that has several names, by its `id`."""
    found: dict[int, list[bytes]] = {}
    for path, node in root.walk():
        if node.linked:
            found.setdefault(id(node), []).append(path)
    return found


def _folder_like(node: FileNode) -> FileNode:
    made = FileNode(node.kind, node.layer, node.mode, node.uid, node.gid, xattrs=node.xattrs, mtime=node.mtime)
    made.implied, made.opaque, made.children = node.implied, node.opaque, dict(node.children)
    return made


def _sorted(prefix: bytes, node: FileNode) -> list[tuple[bytes, FileNode]]:
    """The children of a folder, the first one last, where it is taken from."""
    return [(prefix + name, node.children[name]) for name in sorted(node.children, reverse=True)]
