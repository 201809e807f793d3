"""What a template may call: Go's own functions, and those that docker adds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final, cast

from lading.cli.templates.go_values import as_json, equal, fault, index, kind, length, less, show, true
from lading.cli.templates.printf import printf

BuiltInFunction = Callable[..., object]
_MAX_TEXT: Final = 1 << 20


def _text(value: object, name: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise fault(f"{name}: wants a text, not {kind(value)}")
    return value


def _number(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_TEXT:
        raise fault(f"{name}: wants a number from 0 on, not {show(value)}")
    return value


def _print(*values: object) -> str:
    """A space between two where neither is a text."""
    parts = [show(values[0], inside=True)] if values else []
    for before, value in pairwise(values):
        space = "" if isinstance(before, str) or isinstance(value, str) else " "
        parts.append(space + show(value, inside=True))
    return "".join(parts)


def _println(*values: object) -> str:
    return " ".join(show(value, inside=True) for value in values) + "\n"


def _join(items: object, between: object) -> str:
    if items is None:
        return ""
    if not isinstance(items, list):
        raise fault(f"join: wants a list, not {kind(items)}")
    return _text(between, "join").join(_text(item, "join") for item in cast("list[object]", items))


def _split(text: object, between: object) -> list[object]:
    separator = _text(between, "split")
    whole = _text(text, "split")
    return list(whole.split(separator) if separator else whole)


def _title(text: object) -> str:
    return re.sub(r"(?<!\w)\w", lambda found: found.group().upper(), _text(text, "title"))


def _truncate(text: object, limit: object) -> str:
    return _text(text, "truncate")[: _number(limit, "truncate")]


def _pad(text: object, before: object, after: object) -> str:
    shown = _text(text, "pad")
    return f"{' ' * _number(before, 'pad')}{shown}{' ' * _number(after, 'pad')}" if shown else ""


def _slice(value: object, *bounds: object) -> object:
    if isinstance(value, str):
        items: bytes | list[object] = value.encode()
    elif isinstance(value, list):
        items = cast("list[object]", value)
    else:
        raise fault(f"slice: can't slice item of type {kind(value)}")
    if len(bounds) > 2:
        raise fault("slice: too many slice indexes: 3-index slices are not supported")
    begin = _number(bounds[0], "slice") if bounds else 0
    end = _number(bounds[1], "slice") if len(bounds) > 1 else len(items)
    if not begin <= end <= len(items):
        raise fault(f"slice: index out of range: {begin}, {end}")
    part = items[begin:end]
    return part.decode(errors="replace") if isinstance(part, bytes) else part


def _lower(text: object) -> str:
    return _text(text, "lower").lower()


def _upper(text: object) -> str:
    """Letter by letter, so that none becomes two."""
    letters = _text(text, "upper")
    return "".join(letter.upper() if len(letter.upper()) == 1 else letter for letter in letters)


def _not(value: object) -> bool:
    return not true(value)


def _different(one: object, other: object) -> bool:
    return not equal(one, other)


def _at_most(one: object, other: object) -> bool:
    return less(one, other) or equal(one, other)


def _more(one: object, other: object) -> bool:
    return not _at_most(one, other)


def _at_least(one: object, other: object) -> bool:
    return not less(one, other)


FUNCTIONS: Final[Mapping[str, BuiltInFunction]] = {
    "eq": equal,
    "ge": _at_least,
    "gt": _more,
    "index": index,
    "join": _join,
    "json": as_json,
    "le": _at_most,
    "len": length,
    "lower": _lower,
    "lt": less,
    "ne": _different,
    "not": _not,
    "pad": _pad,
    "print": _print,
    "printf": printf,
    "println": _println,
    "slice": _slice,
    "split": _split,
    "title": _title,
    "truncate": _truncate,
    "upper": _upper,
}
LAZY: Final = frozenset({"and", "or"})
"""They stop at the first value that settles the matter."""
NAMES: Final = LAZY | FUNCTIONS.keys()
