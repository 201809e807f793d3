"""Functions of lists, sets and objects."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from typing import Final

from lading.build.bake.hcl.functions.value_adapters import HclFunction, of_items, of_members, of_two
from lading.build.bake.hcl.hcl_types import unified
from lading.build.bake.hcl.hcl_values import (
    HclValue,
    ValueSet,
    as_items,
    as_members,
    as_text,
    as_whole,
    each_once,
    equal,
    hcl_object,
    identity,
    kind,
    number_of,
)
from lading.build.errors import TextError

_NONE: Final = object()
_MAX_PRODUCT: Final = 65536
_MAX_ITEMS: Final = 1 << 20


def _among(item: HclValue, items: tuple[HclValue, ...]) -> bool:
    return any(equal(item, other) for other in items)


def _listed(value: HclValue) -> tuple[HclValue, ...]:
    if isinstance(value, ValueSet):
        raise TextError("a list is required, and this is a set, which has no order")
    return as_items(value)


def _alike(sets: tuple[HclValue, ...]) -> list[list[HclValue]]:
    """The items of sets, all of one type."""
    items = list(map(as_items, sets))
    found = iter(unified([item for one in items for item in one]))
    return [[next(found) for _ in one] for one in items]


def _coalesce(*given: HclValue) -> HclValue:
    alike = unified(list(given))
    if len({kind(value) for value in alike} - {"null"}) > 1:
        raise TextError("its arguments are of several types")
    for value in alike:
        if value is not None:
            return value
    raise TextError("no value that is not null")


def _coalesce_list(*given: HclValue) -> HclValue:
    for value in given:
        if value is not None and _listed(value):
            return value
    raise TextError("no list that is not empty")


def _chunks(items: HclValue, size: HclValue) -> HclValue:
    found, width = tuple(unified(list(as_items(items)))), as_whole(size)
    if width < 0:
        raise TextError("the size must not be negative")
    return tuple(found[at : at + width] for at in range(0, len(found), width)) if width else (found,)


def _distinct(items: HclValue) -> HclValue:
    return tuple(each_once(unified(list(as_items(items)))))


def _element(items: HclValue, index: HclValue) -> HclValue:
    found, at = _listed(items), as_whole(index)
    if not found:
        raise TextError("an empty list has no elements")
    return found[at % len(found)]


def _flatten(items: HclValue) -> HclValue:
    found: list[HclValue] = []
    for item in as_items(items):
        found += as_items(_flatten(item)) if isinstance(item, tuple | ValueSet) else [item]
    return tuple(found)


def _item(value: HclValue, key: HclValue) -> HclValue | object:
    if isinstance(value, Mapping):
        return value.get(as_text(key), _NONE)
    items, at = _listed(value), as_whole(key)
    return items[at] if 0 <= at < len(items) else _NONE


def _index(value: HclValue, key: HclValue) -> HclValue:
    found = _item(value, key)
    if found is _NONE:
        raise TextError("nothing has that index")
    return found  # type: ignore[return-value]


def _index_of(items: HclValue, value: HclValue) -> HclValue:
    for at, item in enumerate(_listed(items)):
        if equal(item, value):
            return number_of(at)
    raise TextError("item not found")


def _length(value: HclValue) -> HclValue:
    return number_of(len(value) if isinstance(value, Mapping) else len(as_items(value)))


def _lookup(members: HclValue, key: HclValue, *default: HclValue) -> HclValue:
    found = as_members(members)
    if as_text(key) in found:
        return found[as_text(key)]
    if default:
        return default[0]
    raise TextError(f"no member {as_text(key)!r}")


def _merge(*given: HclValue) -> HclValue:
    found: dict[str, HclValue] = {}
    for value in given:
        if value is not None:
            found.update(as_members(value))
    return hcl_object(found)


def _slice(items: HclValue, start: HclValue, end: HclValue) -> HclValue:
    found, first, last = _listed(items), as_whole(start), as_whole(end)
    if not 0 <= first <= last <= len(found):
        raise TextError(f"{first} and {last} are no part of a list of {len(found)}")
    return found[first:last]


def _compact(items: HclValue) -> HclValue:
    texts = (None if item is None else as_text(item) for item in as_items(items))
    return tuple(text for text in texts if text)


def _zipmap(keys: HclValue, values: HclValue) -> HclValue:
    names, items = as_items(keys), _listed(values)
    if len(names) != len(items):
        raise TextError(f"{len(names)} keys and {len(items)} values")
    return hcl_object(dict(zip(map(as_text, names), items, strict=True)))


def _united(*sets: HclValue) -> ValueSet:
    return ValueSet.of(item for one in _alike(sets) for item in one)


def _common(*sets: HclValue) -> ValueSet:
    first, *others = _alike(sets)
    known = [{identity(item) for item in one} for one in others]
    return ValueSet.of(item for item in first if all(identity(item) in one for one in known))


def _less(first: HclValue, second: HclValue) -> ValueSet:
    one, other = _alike((first, second))
    known = {identity(item) for item in other}
    return ValueSet.of(item for item in one if identity(item) not in known)


def _product(*sets: HclValue) -> HclValue:
    lists = list(map(as_items, sets))
    if math.prod(map(len, lists)) > _MAX_PRODUCT:
        raise TextError(f"more than {_MAX_PRODUCT} combinations")
    found = tuple(product(*lists))
    return ValueSet.of(found) if all(isinstance(one, ValueSet) for one in sets) else found


def _concat(*lists: HclValue) -> HclValue:
    found = [_listed(one) for one in lists]
    if sum(map(len, found)) > _MAX_ITEMS:
        raise TextError(f"a list of more than {_MAX_ITEMS} items")
    return tuple(item for one in found for item in one)


COLLECTION_FUNCTIONS: Final[Mapping[str, HclFunction]] = {
    "coalesce": _coalesce,
    "coalescelist": _coalesce_list,
    "chunklist": _chunks,
    "compact": _compact,
    "concat": _concat,
    "contains": of_two(lambda items, value: _among(value, as_items(items))),
    "distinct": _distinct,
    "element": _element,
    "flatten": _flatten,
    "hasindex": of_two(lambda value, key: _item(value, key) is not _NONE),
    "index": _index,
    "indexof": _index_of,
    "keys": of_members(tuple),
    "values": of_members(lambda members: tuple(members.values())),
    "length": _length,
    "lookup": _lookup,
    "merge": _merge,
    "reverselist": of_items(lambda items: items[::-1]),
    "slice": _slice,
    "sort": of_items(lambda items: tuple(sorted(map(as_text, items), key=str.encode))),
    "zipmap": _zipmap,
    "sethaselement": of_two(lambda items, value: _among(value, as_items(items))),
    "setunion": _united,
    "setintersection": _common,
    "setsubtract": _less,
    "setsymmetricdifference": of_two(lambda one, other: _united(_less(one, other), _less(other, one))),
    "setproduct": _product,
}
