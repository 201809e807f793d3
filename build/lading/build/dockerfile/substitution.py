"""What ``${NAME:-WORD}`` and its kin make of a variable's value, and the patterns that they take."""

from __future__ import annotations

import itertools
import re
from typing import Final

from lading.build.errors import TextError
from lading.store.system.patterns import pattern as regex

_REGEX: Final = frozenset("[]{}.+()|^$")
_TEMPLATE: Final = regex(r"\$(?:\$|\{(\w+)\}|(\w+))")


_LONGEST: Final = 4 << 20
"""Characters that a word may become; without an end, forty lines of ``ENV A=$A$A`` would fill any machine."""


class WordError(TextError):
    """A word cannot be expanded."""


def check_length(size: int) -> None:
    """Raises `WordError` for more characters than a word may become."""
    if size > _LONGEST:
        raise WordError(f"its variables come to more than {_LONGEST} characters")


def modify(name: str, written: str, operator: str, word: str, value: str | None) -> str:
    """What ``${NAME<written>WORD}`` is where NAME has `value`, None where nobody set it. Raises `WordError`."""
    missing = value is None or (written[0] == ":" and value == "")
    if operator == "-":
        return word if missing else value or ""
    if operator == "+":
        return "" if missing else word
    if operator == "?":
        if missing:
            state = "unset" if value is None else "empty"
            raise WordError(f"{name}: {word or f'is not allowed to be {state}'}")
        return value or ""
    if operator in ("#", "%"):
        greedy = word.startswith(operator) and word != ""
        pattern = word[1:] if greedy else word
        return (_trim_suffix if operator == "%" else _trim_prefix)(pattern, value or "", greedy)
    raise WordError(f"unsupported modifier ({written.strip()}) in substitution")


def replace(value: str, pattern: str, replacement: str, *, everywhere: bool) -> str:
    """`value` with the longest matches of `pattern` replaced: the first of them, or all. Raises `WordError`."""
    found = _pattern(pattern, greedy=True)
    size = 0

    def filled(match: re.Match[str]) -> str:
        nonlocal size
        text = _filled(replacement, match[0])
        size += len(text)
        check_length(size)
        return text

    if everywhere:
        return found.sub(filled, value)
    return found.sub(lambda _: replacement, value, count=1)


def _filled(replacement: str, matched: str) -> str:
    """As Go's ``Regexp.Expand`` without groups, which is what the reference uses where it replaces everything."""

    def value(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        word = found[1] or found[2]
        name = "".join(itertools.takewhile(is_name, word))
        if not name or (found[1] and name != word):
            return found[0]
        return (matched if name == "0" else "") + word[len(name) :]

    return _TEMPLATE.sub(value, replacement)


def is_name(character: str) -> bool:
    """Whether a variable's name may hold it: a letter, a decimal digit, or an underscore."""
    return character.isalpha() or character.isdecimal() or character == "_"


def _pattern(pattern: str, *, greedy: bool) -> re.Pattern[str]:
    """What stands between two stars is taken where it first fits and not moved again: no other place helps the rest."""
    head, *rest = _between_stars(pattern)
    fixed = "".join(f"(?>.*?{part})" for part in rest[:-1] if part)
    return re.compile(head + fixed + (f"{'.*' if greedy else '.*?'}{rest[-1]}" if rest else ""))


def _between_stars(pattern: str) -> list[str]:
    out: list[str] = [""]
    pattern, at = pattern.removeprefix("\ufeff"), 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*":
            out.append("")
        elif character == "?":
            out[-1] += "."
        elif character == "\\":
            following = pattern[at : at + 1]
            if following in ("}", "/") and following:
                continue
            if following not in ("*", "?", "\\") or not following:
                raise WordError(f"invalid pattern ({pattern}) in substitution: invalid escape '\\{following}'")
            out[-1] += "\\" + following
            at += 1
        else:
            out[-1] += "\\" + character if character in _REGEX else character
    return out


def _trim_prefix(pattern: str, value: str, greedy: bool) -> str:
    match = _pattern(pattern, greedy=greedy).match(value)
    return value[match.end() :] if match else value


def _trim_suffix(pattern: str, value: str, greedy: bool) -> str:
    # The shortest match at the end is the shortest match at the beginning of everything reversed.
    return _trim_prefix(_reverse(pattern), value[::-1], greedy)[::-1]


def _reverse(pattern: str) -> str:
    units: list[str] = []
    at = 0
    while at < len(pattern):
        length = 2 if pattern[at] == "\\" and at + 1 < len(pattern) else 1
        units.append(pattern[at : at + length])
        at += length
    return "".join(reversed(units))
