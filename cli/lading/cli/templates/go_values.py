"""Values of templates: JSON data, and how Go shows, compares and looks into it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Final, cast

from lading.store.errors import InputError

MISSING: Final = "<no value>"


class Document(dict[str, object]):
    """A JSON object whose members are fixed, where another name is an error; an object of any other kind is a map."""

    __slots__ = ()

    def member(self, name: str) -> str | None:
        """The member that `name` means: letters' case does not matter, for docker itself has both ID and Id."""
        if name in self:
            return name
        return next((own for own in self if own.lower() == name.lower()), None)


class Lookup(dict[str, object]):
    """A map that is asked, ``.Label "name"``, and not shown."""

    __slots__ = ()

    def __missing__(self, name: str) -> object:
        return ""


def document(value: object, maps: frozenset[str]) -> object:
    """JSON data with `Document` for every object but those that are members by one of the names `maps`."""
    if isinstance(value, Mapping) and not isinstance(value, Lookup):
        found = Document()
        for name, item in cast("Mapping[str, object]", value).items():
            inner = document(item, maps)
            found[name] = dict(inner) if name in maps and isinstance(inner, Document) else inner
        return found
    if isinstance(value, list | tuple):
        return [document(item, maps) for item in cast("Sequence[object]", value)]
    return value


def fault(message: str) -> InputError:
    """A template that does not fit the data it is given."""
    return InputError(f"--format: {message}")


def kind(value: object) -> str:
    """In Go's words."""
    if value is None:
        return "<nil>"
    names: Mapping[type, str] = {bool: "bool", int: "int", float: "float64", str: "string", list: "[]interface {}"}
    return names.get(cast("type", type(value)), "map[string]interface {}")


def true(value: object) -> bool:
    """Not the empty value of its kind."""
    return bool(value)


def member(value: object, name: str) -> object:
    """``.name`` of a value; None where a map has no such key, or there is no value at all. Raises `InputError`."""
    if isinstance(value, Document):
        own = value.member(name)
        if own is None:
            raise InputError(f"--format: no field .{name}", hint=f"there are {', '.join(sorted(value))}")
        return value[own]
    if isinstance(value, dict):
        return cast("dict[str, object]", value).get(name)
    if value is None:
        return None
    raise fault(f"can't evaluate field {name} in type {kind(value)}")


def index(value: object, *keys: object) -> object:
    """`index`: elements of lists and maps, one after another."""
    for key in keys:
        value = _item(value, key)
    return value


def _item(value: object, key: object) -> object:
    if isinstance(value, dict):
        entries = cast("dict[str, object]", value)
        if not isinstance(key, str):
            raise fault(f"index: the key of a map is a text, not {kind(key)}")
        zero = "" if all(isinstance(item, str) for item in entries.values()) else None
        return entries.get(key, zero)
    if isinstance(value, str | list):
        items = list(value.encode()) if isinstance(value, str) else cast("list[object]", value)
        if isinstance(key, bool) or not isinstance(key, int):
            raise fault(f"index: cannot index a list or text with {kind(key)}")
        if not 0 <= key < len(items):
            raise fault(f"index out of range: {key}")
        return items[key]
    raise fault("index of untyped nil" if value is None else f"can't index item of type {kind(value)}")


def length(value: object) -> int:
    """`len`; of a text in bytes. What is not there has none."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, list | dict):
        return len(cast("list[object]", value))
    if value is None:
        return 0
    raise fault(f"len of type {kind(value)}")


def equal(first: object, *others: object) -> bool:
    """`eq`: whether the first is any of the others."""
    if not others:
        raise fault("eq: missing argument for comparison")
    return any(_same(first, other) for other in others)


def _same(one: object, other: object) -> bool:
    if one is None or other is None:
        return one is other
    for value in (one, other):
        if not isinstance(value, bool | int | float | str):
            raise fault(f"eq: non-comparable type {kind(value)}")
    if type(one) is not type(other):
        raise fault(f"eq: incompatible types for comparison: {kind(one)} and {kind(other)}")
    return one == other


def less(one: object, other: object) -> bool:
    """`lt`, of two numbers of one kind or two texts."""
    match one, other:
        case (bool(), _) | (_, bool()):
            raise fault("invalid type for comparison")
        case (int(), int()):
            return one < other
        case (float(), float()):
            return one < other
        case (str(), str()):
            return one.encode() < other.encode()
        case _:
            raise fault(f"incompatible types for comparison: {kind(one)} and {kind(other)}")


def show(value: object, *, inside: bool = False) -> str:
    """As Go's ``%v``."""
    match value:
        case None:
            return "<nil>" if inside else MISSING
        case bool():
            return str(value).lower()
        case float():
            return show_float(value)
        case list():
            return f"[{' '.join(show(item, inside=True) for item in cast('list[object]', value))}]"
        case dict():
            entries = cast("dict[str, object]", value)
            return f"map[{' '.join(f'{key}:{show(entries[key], inside=True)}' for key in sorted(entries))}]"
        case _:
            return str(value)


def show_float(value: float) -> str:
    """As Go's ``%v``: the shortest digits that mean it, with an exponent below 1e-4 and from 1e6 on."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        return repr(value).removesuffix(".0")
    return next(text for places in range(17) if float(text := f"{value:.{places}e}") == value)


def as_json(value: object) -> str:
    """`json`: without spaces; the members of a map in order of their names, of a document as they stand."""
    text = json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":"))
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _ordered(value: object) -> object:
    if isinstance(value, dict):
        entries = cast("dict[str, object]", value)
        names = entries if isinstance(value, Document) else sorted(entries)
        return {name: _ordered(entries[name]) for name in names if not isinstance(entries[name], Lookup)}
    if isinstance(value, list):
        return [_ordered(item) for item in cast("list[object]", value)]
    return value
