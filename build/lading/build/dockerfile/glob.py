"""Go's ``filepath.Match``, which COPY's wildcards and `.dockerignore` are written in."""

from __future__ import annotations

import functools
import re
from typing import Final

from lading.build.errors import TextError

_MAX: Final = 4096


class PatternError(TextError):
    """A pattern is malformed, as ``filepath.ErrBadPattern``."""


def has_wildcards(path: str) -> bool:
    """Whether an unescaped ``*``, ``?`` or ``[`` stands in `path`."""
    at = 0
    while at < len(path):
        if path[at] == "\\":
            at += 1
        elif path[at] in "*?[":
            return True
        at += 1
    return False


def match(pattern: str, name: str) -> bool:
    """Whether all of `name` is matched; ``*`` and ``?`` stop at a slash. Raises `PatternError`."""
    return compiled(pattern).fullmatch(name) is not None


@functools.lru_cache(maxsize=512)
def compiled(pattern: str) -> re.Pattern[str]:
    """The regular expression that `pattern` amounts to. Raises `PatternError`."""
    if len(pattern) > _MAX:
        raise PatternError(f"a pattern of {len(pattern)} characters")
    # What stands between two stars is taken where it first fits and not moved again: no other place helps the rest.
    parts: list[list[str]] = []
    out: list[str] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*":
            parts.append(out)
            out = []
        elif character == "?":
            out.append("[^/]")
        elif character == "[":
            text, at = _class(pattern, at)
            out.append(text)
        else:
            if character == "\\":
                if at == len(pattern):
                    raise PatternError(f"syntax error in pattern {pattern!r}: nothing after \\")
                character = pattern[at]
                at += 1
            out.append(re.escape(character))
    head, *rest = ["".join(part) for part in (*parts, out)]
    fixed = "".join(f"(?>[^/]*?{part})" for part in rest[:-1] if part)
    return re.compile(head + fixed + (f"[^/]*{rest[-1]}" if rest else ""), re.DOTALL)


def _class(pattern: str, at: int) -> tuple[str, int]:
    negated = pattern.startswith("^", at)
    at += negated
    ranges: list[str] = []
    while True:
        if pattern.startswith("]", at) and ranges:
            break
        low, at = _one(pattern, at)
        high = low
        if pattern.startswith("-", at):
            high, at = _one(pattern, at + 1)
        # An empty range matches nothing, and is not an error in Go.
        ranges.append(f"{re.escape(low)}-{re.escape(high)}" if low <= high else "")
    inner = "".join(ranges)
    if not inner:
        return ("[^/]" if negated else "(?!)"), at + 1
    return f"(?!/)[{'^' if negated else ''}{inner}]", at + 1


def _one(pattern: str, at: int) -> tuple[str, int]:
    if at >= len(pattern) or pattern[at] in "-]":
        raise PatternError(f"syntax error in pattern {pattern!r}")
    if pattern[at] == "\\":
        at += 1
        if at >= len(pattern):
            raise PatternError(f"syntax error in pattern {pattern!r}")
    if at + 1 >= len(pattern):
        raise PatternError(f"syntax error in pattern {pattern!r}")
    return pattern[at], at + 1
