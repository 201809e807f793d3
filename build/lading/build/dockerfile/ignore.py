"""`.dockerignore`: which paths of a context are left out.

The rules are moby/patternmatcher's, not git's: patterns are anchored at the root, ``**`` spans folders, the
last pattern that matches a path or one of its parents decides, ``!`` takes back.
"""

from __future__ import annotations

import posixpath
import re
import warnings
from collections.abc import Iterable

from lading.build.dockerfile.expansion import trim
from lading.build.dockerfile.glob import PatternError, compiled
from lading.store.fastclass import dataclass


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line: what it matches, and whether it takes back what earlier ones left out."""

    text: str
    takes_back: bool
    regex: re.Pattern[str]

    def matches(self, path: str) -> bool:
        """Whether `path` itself is matched."""
        return self.regex.match(path) is not None


class Ignore:
    """A list of patterns."""

    __slots__ = ("patterns", "takes_back")

    def __init__(self, patterns: Iterable[str]) -> None:
        """Raises `PatternError` for a malformed pattern."""
        self.patterns = tuple(found for text in patterns if (found := _pattern(text)))
        self.takes_back = any(pattern.takes_back for pattern in self.patterns)

    def matches(self, path: str) -> bool:
        """Whether `path` (relative, with slashes) is left out, by itself or through a folder above it."""
        parts = path.split("/")
        state: tuple[bool, ...] = ()
        out = False
        for length in range(1, len(parts) + 1):
            out, state = self.step("/".join(parts[:length]), state)
        return out

    def step(self, path: str, above: tuple[bool, ...]) -> tuple[bool, tuple[bool, ...]]:
        """As `matches`, given what this method said of the folder above; its second value goes down with the walk."""
        if not above:
            above = (False,) * len(self.patterns)
        out = False
        state: list[bool] = []
        for pattern, inherited in zip(self.patterns, above, strict=True):
            hit = inherited or (pattern.takes_back == out and pattern.matches(path))
            state.append(hit)
            if hit:
                out = not pattern.takes_back
        return out, tuple(state)


def read(text: str) -> list[str]:
    """The patterns of a `.dockerignore` file."""
    patterns: list[str] = []
    for number, line in enumerate(text.split("\n")):
        pattern = (line.removeprefix("\ufeff") if number == 0 else line).rstrip("\r")
        if pattern.startswith("#"):
            continue
        pattern = trim(pattern)
        if not pattern:
            continue
        taken_back = pattern.startswith("!")
        if taken_back:
            pattern = trim(pattern[1:])
        if pattern:
            pattern = clean(pattern)
            if len(pattern) > 1 and pattern.startswith("/"):
                pattern = pattern[1:]
        patterns.append("!" + pattern if taken_back else pattern)
    return patterns


def clean(path: str) -> str:
    """As Go's ``filepath.Clean``."""
    cleaned = posixpath.normpath(path)
    return "/" + cleaned.lstrip("/") if cleaned.startswith("//") else cleaned


def _pattern(text: str) -> Pattern | None:
    text = trim(text)
    if not text:
        return None
    text = clean(text)
    takes_back = text.startswith("!")
    if takes_back:
        text = text[1:]
        if not text:
            raise PatternError('illegal exclusion pattern: "!"')
    compiled(text)  # for its errors
    return Pattern(text, takes_back, _regex(text))


def _regex(text: str) -> re.Pattern[str]:
    """A regular expression to be matched from the start of a path.

    The shortcuts of the reference are kept where they decide: a leading ``**`` before plain text is a test of
    the path's end, a trailing one a test of its beginning.
    """
    out: list[str] = []
    star: int | None = None
    kind = "exact"
    at = first = 0
    while at < len(text):
        character = text[at]
        at += 1
        if character == "*" and text.startswith("*", at):
            at += 1
            if text.startswith("/", at):
                at += 1
            if at == len(text):
                kind, piece = ("prefix", "") if kind == "exact" else ("regex", ".*")
                _settle(text, out, star)
            else:
                kind, piece = "regex", "(?:.*/)?"
            star = None
            out.append(piece)
            if first == 0:
                kind = "suffix"
        elif character == "*":
            kind = "regex"
            _settle(text, out, star)
            star = len(out)
            out.append("[^/]*")
        elif character == "?":
            kind = "regex"
            out.append("[^/]")
        elif character == "\\" and at < len(text):
            kind = "regex"
            out.append(re.escape(text[at]))
            at += 1
        elif character in "[]":
            kind = "regex"
            out.append(character)
        else:
            out.append("\\" + character if character in ".+()|{}$" else character)
        first += 1
    return _compile(text, kind, "".join(out))


def _settle(text: str, out: list[str], star: int | None) -> None:
    """What stands between two stars is taken where it first fits, and not moved again (classes are not looked into)."""
    if star is not None and "[" not in text and "]" not in text:
        out[star:] = [f"(?>[^/]*?{''.join(out[star + 1 :])})"]


def _compile(text: str, kind: str, expression: str) -> re.Pattern[str]:
    if kind == "exact":
        return re.compile(re.escape(text) + r"\Z")
    if kind == "prefix":
        return re.compile(re.escape(text[:-2]))
    if kind == "suffix":
        end = text[2:]
        return re.compile(rf"(?:.*{re.escape(end)}|{re.escape(end.removeprefix('/'))})\Z", re.DOTALL)
    with warnings.catch_warnings():
        # Python announces that [[ and -- in a class may come to mean something; in the reference they do not.
        warnings.simplefilter("ignore", FutureWarning)
        try:
            return re.compile(expression + r"\Z", re.DOTALL)
        except re.error:
            raise PatternError(f"syntax error in pattern {text!r}") from None
