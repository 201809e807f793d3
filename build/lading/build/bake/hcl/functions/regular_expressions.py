"""Regular expressions as HCL's functions have them: RE2's, whose time grows with the text and no faster.

docs/adr/0018-hcl-read-here.md says why they are not Python's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final, Protocol, cast

from lading.build.bake.hcl.hcl_values import HclValue, as_text, check_length, hcl_object
from lading.build.errors import TextError
from lading.store.system.patterns import pattern

_WORK: Final = 1 << 30
"""Characters that may be looked at for all matches of a text, each of which may look at all of it."""
_ODD: Final = pattern(r"(?:[^\\]|^)(?:\\\\)*(\\C|\{(?:[0-9]+,)?[0-9]{9,}(?:,[0-9]*)?\})")
"""What Go refuses of what RE2 knows: bytes of a character, and counts that it takes for text."""
_GROUP: Final = re.compile(r"\$(?:\{(\w+)\}|(\w+)|(\$))")


class _Match(Protocol):
    def __getitem__(self, group: int | str, /) -> str | None: ...
    def groups(self) -> tuple[str | None, ...]: ...
    def span(self) -> tuple[int, int]: ...


class _Expression(Protocol):
    groups: int
    groupindex: Mapping[str, int]

    def search(self, text: str, /) -> _Match | None: ...
    def finditer(self, text: str, /) -> Iterator[_Match]: ...


def regex(pattern: HclValue, text: HclValue) -> HclValue:
    """The first match: its text, its groups, or those by name."""
    expression = _compiled(pattern)
    found = expression.search(_checked(text))
    if found is None:
        raise TextError(f"{as_text(pattern)!r} is not in {as_text(text)!r}")
    return _result(expression, found)


def regex_all(pattern: HclValue, text: HclValue) -> HclValue:
    """Every match."""
    expression = _compiled(pattern)
    return tuple(_result(expression, found) for found in _matches(expression, _checked(text)))


def regex_replace(text: HclValue, pattern: HclValue, other: HclValue) -> HclValue:
    """`text` with `other` in the place of every match, in which ``$1`` and ``${name}`` are groups of it."""
    expression, whole, written = _compiled(pattern, replacing=True), _checked(text), as_text(other)
    parts: list[str] = []
    at = length = 0
    for found in _matches(expression, whole):
        start, end = found.span()
        parts += [whole[at:start], _expanded(written, found)]
        length += sum(map(len, parts[-2:]))
        check_length(length)
        at = end
    return "".join((*parts, whole[at:]))


def _compiled(written: HclValue, *, replacing: bool = False) -> _Expression:
    text = as_text(written)
    re2 = cast("Any", import_module("re2"))  # 5 ms, where an expression is used
    options = re2.Options()
    options.log_errors = False
    if odd := _ODD.search(text):
        raise TextError(f"{text!r} is no regular expression: {odd[1]}")
    try:
        found = cast("_Expression", re2.compile(text, options))
    except re2.error as error:
        why = error.args[0] if error.args else b""
        said = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        raise TextError(f"{text!r} is no regular expression: {said}") from None
    if not replacing and 0 < len(found.groupindex) < found.groups:
        raise TextError(f"{text!r} has groups with a name and others without")
    return found


def _checked(text: HclValue) -> str:
    whole = as_text(text)
    check_length(len(whole))
    return whole


def _matches(expression: _Expression, text: str) -> Iterator[_Match]:
    """As Go has them: an empty one at the end of the one before is none."""
    left, last = _WORK, -1
    for found in expression.finditer(text):
        left -= len(text)
        if left < 0:
            raise TextError("more matches than are looked for in a text of this length")
        start, end = found.span()
        if start < end or start != last:
            yield found
        last = end


def _result(expression: _Expression, found: _Match) -> HclValue:
    if expression.groupindex:
        return hcl_object({name: found[name] for name in expression.groupindex})
    return tuple(found.groups()) if expression.groups else found[0]


def _expanded(written: str, found: _Match) -> str:
    def group(mark: re.Match[str]) -> str:
        key = mark[1] or mark[2]
        if key is None:
            return "$"
        try:
            return found[int(key) if key.isdecimal() else key] or ""
        except IndexError:
            return ""

    return _GROUP.sub(group, written)
