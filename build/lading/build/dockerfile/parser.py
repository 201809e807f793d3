"""Lines to nodes: directives, comments, continuations, heredocs, flags and arguments.

What a node is and where it begins and ends follows the reference (moby/buildkit
``frontend/dockerfile/parser``), to the letter of its test files. Meaning comes later, in `instructions`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from lading.build.dockerfile import arguments
from lading.build.dockerfile.arguments import Heredoc
from lading.build.dockerfile.directives import parse_directive
from lading.build.dockerfile.expansion import trim
from lading.build.errors import DockerfileError, Place, TextError
from lading.store.fastclass import dataclass, replace
from lading.store.system.patterns import pattern

MAX_SIZE: Final = 4 * 1024 * 1024
"""Bytes a Dockerfile may have."""
_LONGEST: Final = 65535
"""Bytes a line may have, as in the reference; lines that are continued count one by one."""
_DEEPEST: Final = 3
"""ONBUILDs in one line: the second is refused, by the reader of instructions."""
_CONTINUATION: Final = {
    "\\": re.compile(r"(?:(?<=[^\\])|^)\\[ \t]*$"),
    "`": re.compile(r"(?:(?<=[^`])|^)`[ \t]*$"),
}
_SURROGATE: Final = pattern("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class InstructionNode:
    """One instruction as written: its word, flags and arguments, where it stands, and the comments right above it."""

    word: str
    flags: tuple[str, ...]
    args: tuple[str, ...]
    json: bool
    original: str
    place: Place
    heredocs: tuple[Heredoc, ...] = ()
    comments: tuple[str, ...] = ()
    child: InstructionNode | None = None

    def locate(self, word: str, lines: tuple[str, ...]) -> Place:
        """The line and column of `word` inside this node, its beginning where it is not found as written."""
        for number in range(self.place.line, self.place.end + 1):
            column = lines[number - 1].find(word)
            if column >= 0:
                return Place(self.place.file, number, number, column + 1)
        return self.place


@dataclass(frozen=True, slots=True)
class ParsedDockerfile:
    """A Dockerfile taken apart: its nodes, directives (lower case) and escape character.

    `empty` are the lines on which instructions end that have an empty line inside.
    """

    name: str
    lines: tuple[str, ...]
    nodes: tuple[InstructionNode, ...]
    directives: tuple[tuple[str, str], ...]
    escape: str
    empty: tuple[int, ...]


def parse(data: bytes, name: str) -> ParsedDockerfile:
    """The instructions of the Dockerfile in `data`, called `name` in errors. Raises `DockerfileError`."""
    if len(data) > MAX_SIZE:
        raise DockerfileError(Place(name, 1, 1), f"a Dockerfile of {len(data)} bytes, more than the {MAX_SIZE} allowed")
    lines = data.split(b"\n")
    for number, line in enumerate(lines, 1):
        if len(line) > _LONGEST:
            raise DockerfileError(Place(name, number, number), f"a line of more than the {_LONGEST} bytes allowed")
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    return _Reader(text.split("\n"), name).read()


class _Reader:
    def __init__(self, lines: list[str], name: str) -> None:
        if lines[-1] == "":
            lines.pop()
        self.lines, self.name, self.at = lines, name, 0
        self.directives: dict[str, str] = {}
        self.heading = True
        self.escape = "\\"
        self.empty: list[int] = []
        self.comments: list[str] = []

    def read(self) -> ParsedDockerfile:
        nodes = tuple(self.nodes())
        if not nodes:
            raise DockerfileError(Place(self.name, 1, 1), "no instructions")
        return ParsedDockerfile(
            self.name,
            tuple(self.lines),
            nodes,
            tuple(self.directives.items()),
            self.escape,
            tuple(self.empty),
        )

    def place(self, line: int, column: int = 1) -> Place:
        return Place(self.name, line, max(line, self.at), column)

    def nodes(self) -> Iterator[InstructionNode]:
        while self.at < len(self.lines):
            raw = self.lines[self.at].rstrip("\r")
            line = trim(raw, right=False)
            self.at += 1
            directive = self.heading and self.directive(line)
            if not line or line.startswith("#"):
                if line and not directive:
                    self.comment(raw)
                continue
            start = self.at
            yield self.node(self.logical(line), start, len(raw) - len(line) + 1)
            self.comments.clear()

    def comment(self, raw: str) -> None:
        """One more comment; an empty one parts those above it from what follows. Its first byte is left out."""
        text = trim(raw.encode("utf-8", "surrogateescape")[1:].decode("utf-8", "surrogateescape"))
        if text:
            self.comments.append(text)
        else:
            self.comments.clear()

    def directive(self, line: str) -> bool:
        found = parse_directive(line[1:]) if line.startswith("#") else None
        if found is None:
            self.heading = False
            return False
        key, value = found
        if key in self.directives:
            raise DockerfileError(self.place(self.at), f"only one {key} parser directive can be used")
        self.directives[key] = value
        if key == "escape":
            if value not in _CONTINUATION:
                raise DockerfileError(self.place(self.at), f"invalid escape character {value!r}: it must be ` or \\")
            self.escape = value
        return True

    def logical(self, line: str) -> str:
        """The whole instruction, continuation lines joined, comments between them left out."""
        line, goes_on = self.trimmed(line)
        parts = [line]
        empty = False
        while goes_on and self.at < len(self.lines):
            following = self.lines[self.at].rstrip("\r")
            self.at += 1
            stripped = trim(following, right=False)
            if stripped.startswith("#"):
                continue
            if not stripped:
                empty = True
                continue
            following, goes_on = self.trimmed(following)
            parts.append(following)
        if empty:
            self.empty.append(self.at)
        return "".join(parts)

    def trimmed(self, line: str) -> tuple[str, bool]:
        match = _CONTINUATION[self.escape].search(line)
        return (line[: match.start()], True) if match else (line, False)

    def node(self, line: str, start: int, column: int) -> InstructionNode:
        if _SURROGATE.search(line):
            raise DockerfileError(self.place(start), "not UTF-8 text")
        try:
            node = self.from_line(line, start, column)
            heredocs = tuple(map(self.heredoc, self.announced(node, line)))
        except TextError as problem:
            raise DockerfileError(self.place(start, column), str(problem), hint=problem.hint) from None
        return replace(node, heredocs=heredocs, comments=tuple(self.comments), place=self.place(start, column))

    def from_line(self, line: str, start: int, column: int, depth: int = 0) -> InstructionNode:
        if depth > _DEEPEST:
            raise TextError("ONBUILD ONBUILD is not allowed")
        word, flags, rest = arguments.split_command(line, self.escape)
        place = self.place(start, column)
        if word.lower() == "onbuild":
            child = self.from_line(rest, start, column, depth + 1) if rest else None
            return InstructionNode(word, flags, (rest,) if rest else (), False, line, place, child=child)
        args, json = arguments.read(word.lower(), rest, self.escape)
        return InstructionNode(word, flags, args, json, line, place)

    def announced(self, node: InstructionNode, line: str) -> tuple[Heredoc, ...]:
        if "<<" not in line:
            return ()
        inner = node.child if node.child else node
        if inner.json or inner.word.lower() not in ("run", "copy", "add"):
            return ()
        return arguments.heredocs(line)

    def heredoc(self, heredoc: Heredoc) -> Heredoc:
        body: list[str] = []
        while self.at < len(self.lines):
            line = self.lines[self.at]
            self.at += 1
            end = line.rstrip("\r")
            if (end.lstrip("\t") if heredoc.chomp else end) == heredoc.name:
                return replace(heredoc, content="".join(f"{part}\n" for part in body))
            body.append(line)
        raise TextError(f"unterminated heredoc: no line {heredoc.name!r}")
