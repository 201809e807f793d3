"""Headers of rpm packages as its databases hold them (rpm's manual, Package Format, Header Structure)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from lading.store.errors import DocumentError

_MOST_TAGS: Final = 1 << 16
_MOST_LETTERS: Final = 4096
"""PATH_MAX of Linux."""
_MOST_TOGETHER: Final = 64 << 20
"""Letters of all paths of one package."""
_STRING, _STRINGS, _WORDS, _NUMBERS = 6, 8, 9, 4
_NAME, _VERSION, _RELEASE, _EPOCH, _LICENSE, _ARCHITECTURE, _SOURCE = 1000, 1001, 1002, 1003, 1014, 1022, 1044
_OLD_NAMES, _FOLDER_NUMBERS, _NAMES, _FOLDERS = 1027, 1116, 1117, 1118


class RpmHeader:
    """The tags of one header. Raises `DocumentError` where it is none."""

    def __init__(self, data: bytes) -> None:
        try:
            count, length = struct.unpack_from(">II", data)
            start = 8 + 16 * count
            if count > _MOST_TAGS or start + length > len(data):
                raise DocumentError("a header of rpm that ends too soon")
            tags = (struct.unpack_from(">IIII", data, 8 + 16 * number) for number in range(count))
            self._tags: Mapping[int, tuple[int, int, int]] = {tag: (kind, at, many) for tag, kind, at, many in tags}
        except struct.error:
            raise DocumentError("a header of rpm that ends too soon") from None
        self._data = data[start : start + length]

    def _texts(self, tag: int) -> list[str]:
        kind, at, many = self._tags.get(tag, (0, 0, 0))
        if kind not in (_STRING, _STRINGS, _WORDS):
            return []
        parts = self._data[at:].split(b"\0", many) if many <= len(self._data) else []
        return [part.decode("utf-8", "surrogateescape") for part in parts[:many]]

    def _numbers(self, tag: int) -> tuple[int, ...]:
        kind, at, many = self._tags.get(tag, (0, 0, 0))
        if kind != _NUMBERS or at + 4 * many > len(self._data):
            return ()
        return struct.unpack_from(f">{many}I", self._data, at)

    def _text(self, tag: int) -> str:
        """The first; what is not UTF-8 in it stands as U+FFFD."""
        return next(iter(self._texts(tag)), "").encode("utf-8", "surrogateescape").decode("utf-8", "replace")

    @property
    def name(self) -> str:
        """Of the package."""
        return self._text(_NAME)

    @property
    def version(self) -> str:
        """``EPOCH:VERSION-RELEASE``, without the epoch where there is none."""
        epoch = "".join(f"{number}:" for number in self._numbers(_EPOCH)[:1])
        return f"{epoch}{self._text(_VERSION)}-{self._text(_RELEASE)}"

    @property
    def architecture(self) -> str:
        """As rpm spells it; none of a public key, which rpm keeps like a package."""
        return self._text(_ARCHITECTURE)

    @property
    def license(self) -> str:
        """As whoever packed it wrote it."""
        return self._text(_LICENSE)

    @property
    def source(self) -> str:
        """The file name of the source package."""
        return self._text(_SOURCE)

    def files(self) -> tuple[bytes, ...]:
        """Its paths, without a leading slash."""
        folders, numbers = self._texts(_FOLDERS), self._numbers(_FOLDER_NUMBERS)
        pairs = zip(numbers, self._texts(_NAMES), strict=False)
        joined = ((folders[number], name) for number, name in pairs if number < len(folders))
        found = list(_paths(joined)) or self._texts(_OLD_NAMES)
        return tuple(path.encode("utf-8", "surrogateescape").lstrip(b"/") for path in found)


def _paths(parts: Iterable[tuple[str, str]]) -> Iterator[str]:
    """One folder may stand before many names, so that all together would be more than any memory holds."""
    left = _MOST_TOGETHER
    for folder, name in parts:
        left -= len(folder) + len(name)
        if len(folder) > _MOST_LETTERS or left < 0:
            raise DocumentError("a header of rpm with longer paths than there can be")
        yield folder + name
