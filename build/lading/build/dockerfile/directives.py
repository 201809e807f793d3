"""Directives: comments at the top that say how the file is to be read (``frontend/dockerfile/parser/directives.go``).

`escape` is the parser's, while it reads; here are those that others ask for: which front end, and which checks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final, cast

from lading.build.dockerfile.expansion import trim
from lading.build.errors import DockerfileError, Place
from lading.store.fastclass import dataclass
from lading.store.system.patterns import pattern

KNOWN: Final = frozenset({"syntax", "escape", "check"})
SYNTAX: Final = "BUILDKIT_SYNTAX"
"""The build argument that names the front end in place of the file."""
KEEP_GIT: Final = "BUILDKIT_CONTEXT_KEEP_GIT_DIR"
"""The one that has a repository as a context keep its `.git`."""
INLINE_CACHE: Final = "BUILDKIT_INLINE_CACHE"
"""The one that asks for cache entries with the image."""
_BLANKS: Final = " \t\n\f\r"
_FORM: Final = pattern(r"([a-zA-Z][a-zA-Z0-9]*)[ \t\n\f\r]*=(.+)")
_OURS: Final = pattern(
    r"(?:(?:index\.)?docker\.io/)?docker/dockerfile(?::(?:latest|labs|experimental|1(?:[.-][\w.-]*)?))?"
    r"(?:@sha256:[0-9a-f]{64})?"
)


@dataclass(frozen=True, slots=True)
class Directive:
    """``name=value`` on a line (from 1); `value` is as written, and all that counts of it is its first word."""

    name: str
    value: str
    line: int

    @property
    def word(self) -> str:
        """What counts."""
        return self.value.partition(" ")[0]


def parse_directive(comment: str) -> tuple[str, str] | None:
    """Name, in lower case, and value where `comment`, without what makes it one, is a directive."""
    match = _FORM.match(trim(comment, right=False))
    key = match[1].lower() if match else ""
    # A value of blanks alone is the last of them: the reference asks for one character, whatever it is.
    return (key, match[2].strip(_BLANKS) or match[2][-1]) if match and key in KNOWN else None


def find(name: str, data: bytes, mark: str = "#") -> Directive | None:
    """The directive `name` of a file whose comments begin with `mark`."""
    return next((found for found in _directives(data, mark) if found.name == name), None)


def _directives(data: bytes, mark: str) -> Iterator[Directive]:
    lines = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").split("\n")
    begin = 1 if lines[0].startswith("#!") else 0
    seen: set[str] = set()
    for number, line in enumerate(lines[begin:], begin + 1):
        found = parse_directive(line.removeprefix(mark).rstrip("\r")) if line.startswith(mark) else None
        if found is None or found[0] in seen:
            return
        seen.add(found[0])
        yield Directive(*found, number)


def syntax(data: bytes, name: str) -> str | None:
    """The front end that a file called `name` asks for. Raises `DockerfileError` where that is not this one."""
    found = find("syntax", data) or find("syntax", data, "//") or _in_json(data)
    if found is None:
        return None
    check_syntax(found.word, Place(name, found.line, found.line))
    return found.word


def check_syntax(image: str, place: Place) -> None:
    """Raises `DockerfileError` unless `image` is the front end whose language is understood here."""
    if not _OURS.fullmatch(image):
        raise DockerfileError(
            place,
            f"the front end {image} is not known here",
            hint="what docker/dockerfile:1 understands is understood: name that, or none",
        )


def _in_json(data: bytes) -> Directive | None:
    """The member `syntax`, where the file is a JSON object."""
    if not data.lstrip().startswith(b"{"):
        return None
    try:
        value = cast("object", json.loads(data))
    except (ValueError, RecursionError):
        return None
    found = cast("dict[str, object]", value).get("syntax")
    return Directive("syntax", found, 1) if isinstance(found, str) else None
