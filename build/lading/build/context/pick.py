"""What the sources of a COPY are: patterns to names, names to everything below them."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from typing import Final

from lading.build.context.view import FileInfo, FileView, follow
from lading.build.dockerfile import glob
from lading.build.dockerfile.glob import PatternError
from lading.build.dockerfile.ignore import clean
from lading.store.errors import InputError
from lading.store.fastclass import dataclass

_MAX_DEPTH: Final = 200


@dataclass(frozen=True, slots=True)
class CopySource:
    """A source and all that is copied with it; `digest` is the SHA-256 of a context file's content."""

    name: str
    item: FileInfo
    children: tuple[CopySource, ...] = ()
    digest: str | None = None

    def walk(self, prefix: str = "") -> Iterator[tuple[str, CopySource]]:
        """Everything below, with its path relative to this; the root first, as "" where it is a folder."""
        yield prefix, self
        for child in self.children:
            yield from child.walk(f"{prefix}/{child.name}" if prefix else child.name)


class MissingSourceError(InputError):
    """A source is not there."""


ContentDigest = Callable[[FileInfo, bool], str | None]
"""The SHA-256 of a file, given whether a source names it: "" where it need not be known, None to leave it out."""


def names(view: FileView, pattern: str) -> list[str]:
    """The paths that a source pattern means, not yet followed, by name.

    Wildcards are Go's ``filepath.Match`` on the whole path, and may match nothing. Raises `InputError`.
    """
    parts = [part for part in clean("/" + pattern).split("/") if part]
    plain = next((at for at, part in enumerate(parts) if glob.has_wildcards(part)), len(parts))
    if plain == len(parts):
        return ["/".join(parts)]
    found = [follow(view, "/".join(parts[:plain]))]
    if view.item(found[0]) is None:
        raise MissingSourceError(f'"/{found[0]}" not found')
    try:
        for part in parts[plain:]:
            found = [child.path for path in found for child in _folder(view, path) if glob.match(part, child.name)]
    except PatternError as error:
        raise InputError(str(error)) from None
    return found


def _folder(view: FileView, path: str) -> list[FileInfo]:
    item = view.item(path)
    return view.children(path) if item and item.is_folder else []


def pick(view: FileView, name: str, content: ContentDigest, *, named: bool = True) -> CopySource | None:
    """The source at `name`, links to it followed, with everything below it; None where `content` leaves it out.

    `named` says that it was not a wildcard that found it. Raises `MissingSourceError`, and `InputError` for what
    cannot be copied.
    """
    item = view.item(follow(view, name))
    if item is None:
        raise MissingSourceError(f'"/{name}" not found')
    if item.is_folder:
        return CopySource(_last(name), item, _below(view, item, content, 0))
    digest = content(item, named)
    return None if digest is None else CopySource(_last(name), item, digest=digest)


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _below(view: FileView, folder: FileInfo, content: ContentDigest, depth: int) -> tuple[CopySource, ...]:
    if depth > _MAX_DEPTH:
        raise InputError(f"{folder.path}: folders are nested more than {_MAX_DEPTH} deep")
    found: list[CopySource] = []
    for item in view.children(folder.path):
        if item.is_folder:
            found.append(CopySource(item.name, item, _below(view, item, content, depth + 1)))
        elif item.is_link:
            found.append(CopySource(item.name, item))
        elif (digest := content(item, False)) is not None:
            found.append(CopySource(item.name, item, digest=digest))
    return tuple(found)


def special(item: FileInfo) -> str | None:
    """What a file that is no file, folder or link is, in words."""
    kinds = {
        stat.S_IFSOCK: "a socket",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFBLK: "a device",
        stat.S_IFCHR: "a device",
    }
    return kinds.get(stat.S_IFMT(item.mode))
