"""Where two JSON documents differ: field by field, in words that name the place."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Final, cast

from lading.store.fastclass import dataclass

_ABSENT: Final = object()
_NAMED: Final = "Env"
"""A list whose items begin with a name and ``=``."""
_COUNTED: Final = "history"
"""A list whose items have their place; of other lists the whole is one value."""


@dataclass(frozen=True, slots=True)
class JsonDifference:
    """A field, ``config.Env.PATH``, and what it holds on either side; None where it is missing."""

    field: str
    first: object
    second: object


def compare_json(first: object, second: object, field: str = "") -> Generator[JsonDifference, None, None]:
    """The fields at which two documents differ, sorted."""
    one, other = _members(first, field), _members(second, field)
    if one is None or other is None:
        if first != second:
            yield JsonDifference(field, _told(first), _told(second))
        return
    for name in sorted(one.keys() | other.keys()):
        path = f"{field}.{name}" if field else name
        yield from compare_json(one.get(name, _ABSENT), other.get(name, _ABSENT), path)


def _told(value: object) -> object:
    return None if value is _ABSENT else value


def _members(value: object, field: str) -> Mapping[str, object] | None:
    """What is compared one by one; None for a plain value. What is missing has none."""
    if isinstance(value, dict):
        return cast("dict[str, object]", value)
    items = cast("list[object]", value) if isinstance(value, list) else None
    last = field.rpartition(".")[2]
    if items is not None and last == _COUNTED:
        return {f"{at + 1:03}": item for at, item in enumerate(items)}
    if items is not None and last == _NAMED and all(isinstance(item, str) for item in items):
        return {part[0]: part[2] for part in (str(item).partition("=") for item in items)}
    return None
