"""What the sources of a COPY are: patterns to names, names to everything below them."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Final, overload

from lading.build.context.folder_roots import FolderStamp
from lading.build.context.folders import FileInfo, FileView, follow
from lading.build.dockerfile import glob
from lading.build.dockerfile.glob import PatternError
from lading.build.dockerfile.ignore import Ignore, clean
from lading.store.errors import InputError
from lading.store.fastclass import dataclass

_MAX_DEPTH: Final = 200


@dataclass(frozen=True, slots=True)
class CopySource:
    """A source and all that is copied with it; `digest` is the SHA-256 of a context file's content.

    An `implied` folder is not copied itself: it is made where it is missing, for what is in it.
    """

    name: str
    item: FileInfo
    children: Sequence[CopySource] = ()
    digest: str | None = None
    implied: bool = False
    stamp: FolderStamp | None = None
    """Of a folder that is taken as a whole: what is known of it without its children."""

    def walk(self, prefix: str = "") -> Iterator[tuple[str, CopySource]]:
        """Everything below, with its path relative to this; the root first, as "" where it is a folder."""
        yield prefix, self
        for child in self.children:
            yield from child.walk(f"{prefix}/{child.name}" if prefix else child.name)


class _LateChildren(Sequence[CopySource]):
    """Children that are found where somebody asks for them."""

    def __init__(self, find: Callable[[], tuple[CopySource, ...]]) -> None:
        self._found = cache(find)

    def __len__(self) -> int:
        return len(self._found())

    def __iter__(self) -> Iterator[CopySource]:
        return iter(self._found())

    @overload
    def __getitem__(self, at: int) -> CopySource: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[CopySource]: ...
    def __getitem__(self, at: int | slice) -> CopySource | Sequence[CopySource]:
        return self._found()[at]


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


@dataclass(frozen=True, slots=True)
class Chosen:
    """What of a source is copied, by paths below it: what `only` matches (None: all) but not what `without` does."""

    only: Ignore | None = None
    without: Ignore | None = None

    def step(self, path: str, above: ChosenAbove) -> tuple[bool, bool, ChosenAbove]:
        """Whether `path` is copied, whether anything in it may be, and what goes down with the walk."""
        inside, outside = (True, above[0]), (False, above[1])
        if self.only is not None:
            inside = self.only.step(path, above[0])
        if self.without is not None:
            outside = self.without.step(path, above[1])
        deeper = not outside[0] or (self.without is not None and self.without.takes_back)
        return inside[0] and not outside[0], deeper, (inside[1], outside[1])


ChosenAbove = tuple[tuple[bool, ...], tuple[bool, ...]]
ALL: Final = Chosen()


def pick(
    view: FileView,
    name: str,
    content: ContentDigest,
    chosen: Chosen = ALL,
    *,
    named: bool = True,
    look: Callable[[FileInfo], FolderStamp | None] | None = None,
) -> CopySource | None:
    """The source at `name`, links to it followed, with what is `chosen` below it; None where `content` leaves it out.

    `named` says that it was not a wildcard that found it; `look` tells of a folder what may be known of it already:
    then what is in it is found later, where it is needed. Raises `MissingSourceError`, and `InputError` for what
    cannot be copied.
    """
    item = view.item(follow(view, name))
    if item is None:
        raise MissingSourceError(f'"/{name}" not found')
    if item.is_folder:
        picker = _Picker(view, content, chosen, item.path)
        stamp = look(item) if look and chosen is ALL else None
        known = stamp is not None and stamp.roots is not None
        late = _LateChildren(lambda: picker.below(item, 0, ((), ())))
        return CopySource(_last(name), item, late if known else tuple(late), stamp=stamp)
    digest = content(item, named)
    return None if digest is None else CopySource(_last(name), item, digest=digest)


def pick_with_parents(view: FileView, pattern: str, content: ContentDigest, without: Ignore) -> list[CopySource]:
    """The sources of ``COPY --parents``: folders, each with what the rest of `pattern` after ``/./`` matches in it.

    Raises as `pick` does, also where there are no wildcards and the path they would be in is not chosen.
    """
    pivot, point, rest = pattern.partition("/./")
    if not point:
        pivot, rest = "/", pattern
    rest = clean("/" + rest).strip("/")
    chosen = Chosen(Ignore((rest,)), without)
    found: list[CopySource] = []
    for name in names(view, pivot):
        source = pick(view, name, content, chosen)
        if source and not source.item.is_folder and not glob.has_wildcards(pivot):
            raise InputError(f"/{name}: is not a folder, so nothing is below it")
        found += [source] if source else []
    path = clean(f"/{pivot}/{rest}")
    if not glob.has_wildcards(path) and not any(_holds(view, source, path[1:], rest) for source in found):
        raise MissingSourceError(f'"{path}" not found')
    return found


def _holds(view: FileView, source: CopySource, path: str, rest: str) -> bool:
    """Whether `rest` is among what is copied of `source`, and at `path` without a link being followed."""
    copied = rest and any(found == rest and not one.implied for found, one in source.walk())
    return bool(copied) and view.item(path) is not None


def _last(name: str) -> str:
    return name.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class _Picker:
    """Walks below the folder `root` of a view."""

    view: FileView
    content: ContentDigest
    chosen: Chosen
    root: str

    def below(self, folder: FileInfo, depth: int, above: ChosenAbove) -> tuple[CopySource, ...]:
        if depth > _MAX_DEPTH:
            raise InputError(f"{folder.path}: folders are nested more than {_MAX_DEPTH} deep")
        start = len(self.root) + 1 if self.root else 0
        found: list[CopySource] = []
        for item in self.view.children(folder.path):
            copied, deeper, here = (True, True, above)
            if self.chosen is not ALL:
                copied, deeper, here = self.chosen.step(item.path[start:], above)
            if item.is_folder:
                children = self.below(item, depth + 1, here) if deeper else ()
                if copied or children:
                    found.append(CopySource(item.name, item, children, implied=not copied))
            elif copied and item.is_link:
                found.append(CopySource(item.name, item))
            elif copied and (digest := self.content(item, False)) is not None:
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
