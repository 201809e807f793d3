"""The modules of Go programs, as the linker recorded them (debug/buildinfo, since Go 1.18)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from lading.inventory.packages.package import Package
from lading.inventory.trees.file_nodes import FileNode
from lading.store.fastclass import dataclass

MAGIC: Final = b"\xff Go buildinf:"
_ALIGNED: Final = 16
_HEADER: Final = 32
_PROGRAMS: Final = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe")
_INLINE: Final = 2
_MOST: Final = 1 << 20
_SENTINEL: Final = 16
_DEVELOPED: Final = "(devel)"
_SOURCE_FILES: Final = "command-line-arguments"


class GoTaster:
    """Keeps of a program what follows the mark of the linker; nothing of what is neither ELF, PE nor Mach-O."""

    def __init__(self) -> None:
        self._seen = 0
        self._tail = b""
        self._found: bytearray | None = None
        self._program = True

    def take(self, piece: bytes) -> None:
        """The next bytes."""
        if not self._seen:
            self._program = piece.startswith(_PROGRAMS)
        if self._program and (self._found is None or len(self._found) < _MOST):
            self._look(piece)
        self._seen += len(piece)

    def _look(self, piece: bytes) -> None:
        if self._found is not None:
            self._found += piece[: _MOST - len(self._found)]
            return
        whole, start = self._tail + piece, self._seen - len(self._tail)
        at = whole.find(MAGIC)
        while 0 <= at <= len(whole) - _ALIGNED and ((start + at) % _ALIGNED or not whole[at + 15] & _INLINE):
            at = whole.find(MAGIC, at + 1)
        if 0 <= at <= len(whole) - _ALIGNED:
            self._found = bytearray(whole[at : at + _MOST])
        self._tail = whole[1 - _ALIGNED :]

    def kept(self) -> bytes | None:
        """From the mark on."""
        return bytes(self._found) if self._found else None


@dataclass(frozen=True, slots=True)
class _BuildInfo:
    """What the linker says: the package of the program, its module, those that it depends on, and how it was built."""

    package: str
    main: tuple[str, str] | None
    modules: tuple[tuple[str, str], ...]
    settings: Mapping[str, str]


def read(path: bytes, node: FileNode) -> Iterator[Package]:
    """The main module and all that it depends on, and the standard library."""
    info = node.content or b""
    if not info.startswith(MAGIC) or len(info) < _HEADER or not info[15] & _INLINE:
        return
    version, at = _text(info, _HEADER)
    words = version.decode("utf-8", "replace").removeprefix("go").partition("-X:")[0].split()  # less experiments
    yield Package(
        "golang", "stdlib", words[0] if words else "", path, node.layer, files=(path,), licenses=("BSD-3-Clause",)
    )
    found = _parsed(_text(info, at)[0][_SENTINEL:-_SENTINEL].decode("utf-8", "replace"))
    for name, number in dict.fromkeys(_modules(found)):
        space, _, last = name.rpartition("/")
        yield Package("golang", last, number, path, node.layer, namespace=space, files=(path,))


def _parsed(lines: str) -> _BuildInfo:
    package, settings = "", dict[str, str]()
    main: list[tuple[str, str]] = []
    modules: list[tuple[str, str]] = []
    last = modules
    for words in (line.split("\t") for line in lines.splitlines()):
        if words[0] == "=>" and len(words) > 2:
            local = words[1].startswith((".", "/"))  # a folder says nothing of what is in it
            last[-1:] = [(name, "") if local else (words[1], words[2]) for name, _ in last[-1:]]
        elif words[0] in ("mod", "dep") and len(words) > 2:
            last = main if words[0] == "mod" else modules
            last.append((words[1], words[2]))
        elif words[0] == "path" and len(words) > 1:
            package = words[1]
        elif words[0] == "build" and len(words) > 1:
            name, _, value = words[1].partition("=")
            settings[name] = value
    return _BuildInfo(package, main[0] if main else None, tuple(modules), settings)


def _modules(found: _BuildInfo) -> Iterator[tuple[str, str]]:
    """Where no module is the program's, its package stands for one."""
    main = found.main
    if main is None or main[0] == _SOURCE_FILES:
        made_here = [module for module in found.modules if module[1] == _DEVELOPED]
        named = found.package not in ("", _SOURCE_FILES)
        main = made_here[0] if len(made_here) == 1 else (found.package, _DEVELOPED) if named else None
    if main is not None:
        yield main[0], _committed(found.settings) if main[1] == _DEVELOPED else main[1]
    for name, version in found.modules:
        if main is None or name != main[0]:
            yield name, "" if version == _DEVELOPED else version


def _committed(settings: Mapping[str, str]) -> str:
    """The version that Go gives a commit without a tag (go.dev/ref/mod#pseudo-versions)."""
    commit, time = settings.get("vcs.revision", ""), settings.get("vcs.time", "")
    if not commit or not time:
        return ""
    try:
        at = datetime.fromisoformat(time)
        if at.tzinfo is None:  # another moment wherever it is read
            return ""
        at = at.astimezone(UTC)
    except (ValueError, OverflowError):
        return ""
    return f"v0.0.0-{at:%Y%m%d%H%M%S}-{commit[:12]}"


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
