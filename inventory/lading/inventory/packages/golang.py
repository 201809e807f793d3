"""The modules of Go programs, as the linker recorded them (debug/buildinfo, since Go 1.18)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lading.inventory.packages.package import Package
from lading.inventory.trees.file_nodes import FileNode

MAGIC: Final = b"\xff Go buildinf:"
_ALIGNED: Final = 16
_HEADER: Final = 32
_INLINE: Final = 2
_MOST: Final = 1 << 20
_SENTINEL: Final = 16


class GoTaster:
    """Keeps of a program what follows the mark of the linker; nothing of what is no ELF file."""

    def __init__(self) -> None:
        self._seen = 0
        self._tail = b""
        self._found: bytearray | None = None
        self._elf = True

    def take(self, piece: bytes) -> None:
        """The next bytes."""
        if not self._seen:
            self._elf = piece.startswith(b"\x7fELF")
        if self._elf and (self._found is None or len(self._found) < _MOST):
            self._look(piece)
        self._seen += len(piece)

    def _look(self, piece: bytes) -> None:
        if self._found is not None:
            self._found += piece[: _MOST - len(self._found)]
            return
        whole, start = self._tail + piece, self._seen - len(self._tail)
        at = whole.find(MAGIC)
        while at >= 0 and (start + at) % _ALIGNED:
            at = whole.find(MAGIC, at + 1)
        if at >= 0:
            self._found = bytearray(whole[at : at + _MOST])
        self._tail = whole[-len(MAGIC) :]

    def kept(self) -> bytes | None:
        """From the mark on."""
        return bytes(self._found) if self._found else None


def read(path: bytes, node: FileNode) -> Iterator[Package]:
    """The main module and all that it depends on, and the standard library."""
    info = node.content or b""
    if not info.startswith(MAGIC) or len(info) < _HEADER or not info[15] & _INLINE:
        return
    version, at = _text(info, _HEADER)
    modules = _text(info, at)[0][_SENTINEL:-_SENTINEL].decode("utf-8", "replace")
    yield Package("golang", "stdlib", version.decode("utf-8", "replace").removeprefix("go"), path, node.layer)
    last: tuple[str, str] | None = None
    for words in (line.split("\t") for line in modules.splitlines()):
        if words[0] == "=>" and len(words) > 2:
            last = (words[1], words[2])
        elif words[0] in ("mod", "dep") and len(words) > 2:
            yield from _module(last, path, node)
            last = (words[1], words[2])
    yield from _module(last, path, node)


def _module(found: tuple[str, str] | None, path: bytes, node: FileNode) -> Iterator[Package]:
    if found:
        space, _, name = found[0].rpartition("/")
        yield Package("golang", name, found[1], path, node.layer, namespace=space, files=(path,))


def _text(data: bytes, at: int) -> tuple[bytes, int]:
    """A text behind its length (a varint), and where it ends."""
    size = shift = 0
    while at < len(data) and shift < 35:
        byte = data[at]
        at += 1
        size |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return data[at : at + size], at + size
