"""What an expression consists of once it is read, and what its names and collections come to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from lading.build.bake.hcl.hcl_source import HclError, HclPlace, at
from lading.build.bake.hcl.hcl_values import (
    HclValue,
    ValueSet,
    as_text,
    as_whole,
    hcl_object,
    kind,
)
from lading.build.errors import TextError, suggestion
from lading.store.fastclass import dataclass

EACH: Final = "*"
"""The name under which a splat has the item that it is at."""


class HclScope(Protocol):
    """What names mean where an expression stands."""

    def lookup(self, spot: HclPlace, root: str, steps: tuple[str, ...]) -> tuple[HclValue, int]:
        """The value of a name, and how many of the members after it were found on the way. Raises `HclError`."""
        ...

    def call(self, spot: HclPlace, name: str, arguments: tuple[HclNode, ...], *, spread: bool) -> HclValue:
        """What a function makes of its arguments, the last of which may be spread. Raises `HclError`."""
        ...

    def within(self, names: Mapping[str, HclValue]) -> HclScope:
        """The same with more names, as the body of a loop has them."""
        ...


class HclNode(Protocol):
    """A part of an expression."""

    @property
    def spot(self) -> HclPlace:
        """Where it begins."""
        ...

    def value(self, scope: HclScope) -> HclValue:
        """What it comes to. Raises `HclError`."""
        ...


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as it is written."""

    spot: HclPlace
    constant: HclValue

    def value(self, scope: HclScope) -> HclValue:
        """As `HclNode.value`."""
        del scope
        return self.constant


@dataclass(frozen=True, slots=True)
class Name:
    """A name and members of it: ``target.app.tags``."""

    spot: HclPlace
    root: str
    steps: tuple[str, ...] = ()

    def value(self, scope: HclScope) -> HclValue:
        """As `HclNode.value`."""
        found, used = scope.lookup(self.spot, self.root, self.steps)
        for step in self.steps[used:]:
            found = member(found, step, self.spot)
        return found


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a list, or a member of an object, by what stands in brackets; with `dotted` by what follows a dot."""

    spot: HclPlace
    of: HclNode
    key: HclNode

    def value(self, scope: HclScope) -> HclValue:
        """As `HclNode.value`."""
        return member(self.of.value(scope), self.key.value(scope), self.spot)


@dataclass(frozen=True, slots=True)
class Splat:
    """The same of every item of a list: ``list[*].name``; null is an empty list, anything else a list of itself."""

    spot: HclPlace
    of: HclNode
    each: HclNode

    def value(self, scope: HclScope) -> HclValue:
        """As `HclNode.value`."""
        found = self.of.value(scope)
        if isinstance(found, ValueSet):
            found = found.items
        items = found if isinstance(found, tuple) else () if found is None else (found,)
        return tuple(self.each.value(scope.within({EACH: item})) for item in items)


@dataclass(frozen=True, slots=True)
class ListNode:
    """``[a, b]``."""

    spot: HclPlace
    items: tuple[HclNode, ...]

    def value(self, scope: HclScope) -> HclValue:
        """As `HclNode.value`."""
        return tuple(item.value(scope) for item in self.items)


@dataclass(frozen=True, slots=True)
class ObjectNode:
    """``{a = b}``; a name that stands alone before the sign is itself the key."""

    spot: HclPlace
    members: tuple[tuple[HclNode, HclNode], ...]

    def value(self, scope: HclScope) -> HclValue:
        """As `HclNode.value`."""
        found: dict[str, HclValue] = {}
        for key, value in self.members:
            with at(key.spot, "object key: "):
                name = as_text(key.value(scope))
            found[name] = value.value(scope)
        return hcl_object(found)


def member(value: HclValue, key: HclValue, spot: HclPlace) -> HclValue:
    """What `value` has under `key`. Raises `HclError`."""
    if value is None:
        raise HclError(spot, "this value is null, so it has no attributes", undefined=True)
    with at(spot):
        if isinstance(value, Mapping):
            name = as_text(key)
            if name not in value:
                near = suggestion(name, value)
                raise HclError(spot, f"this object does not have an attribute named {name!r}{near}", undefined=True)
            return value[name]
        if not isinstance(value, tuple):
            raise HclError(spot, f"this value is a {kind(value)}: it has no attributes and no items", undefined=True)
        try:
            index = as_whole(key)
        except TextError:
            raise HclError(spot, f"a list has items by number, not {key!r}", undefined=True) from None
        if not 0 <= index < len(value):
            raise HclError(spot, f"the list has {len(value)} items, and none at {index}", undefined=True)
        return value[index]
