"""Types, as `type = list(string)` names them, and values converted to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias

from lading.build.bake.hcl.hcl_values import (
    HclValue,
    ValueSet,
    as_bool,
    as_items,
    as_members,
    as_number,
    as_text,
    hcl_object,
    kind,
)
from lading.build.errors import TextError
from lading.store.fastclass import dataclass, field

TypeName: TypeAlias = Literal["string", "number", "bool", "any", "list", "set", "map", "tuple", "object"]


@dataclass(frozen=True, slots=True)
class HclType:
    """A type: of what its items are, or each of its `items` or `members`; of these `optional` may be missing."""

    name: TypeName
    of: HclType | None = None
    items: tuple[HclType, ...] = ()
    members: Mapping[str, HclType] = field(default_factory=dict[str, "HclType"])
    optional: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """As it is called."""
        if self.of is not None:
            return f"{self.name} of {'dynamic' if self.of.name == 'any' else self.of}"
        return {"any": "dynamic"}.get(self.name, self.name)

    @property
    def is_primitive(self) -> bool:
        """Whether its values have no parts."""
        return self.name in ("string", "number", "bool")


ANY: Final = HclType("any")
STRING: Final = HclType("string")
_PLAIN: Final[dict[str, Callable[[HclValue], HclValue]]] = {"string": as_text, "number": as_number, "bool": as_bool}


def convert(value: HclValue, wanted: HclType) -> HclValue:
    """`value` as one of the type `wanted`; null is of every type. Raises `TextError`."""
    if value is None or wanted.name == "any":
        return value
    if wanted.name in _PLAIN:
        return _PLAIN[wanted.name](value)
    if wanted.name in ("map", "object"):
        return _members(as_members(value), wanted)
    items = as_items(value)
    if wanted.name == "tuple":
        if len(items) != len(wanted.items):
            raise TextError(f"tuple of {len(wanted.items)} required, and this has {len(items)}")
        return tuple(map(convert, items, wanted.items))
    found = [convert(item, wanted.of or ANY) for item in items]
    one = tuple(unified(found) if (wanted.of or ANY).name == "any" else found)
    return ValueSet.of(one) if wanted.name == "set" else one


def _members(value: Mapping[str, HclValue], wanted: HclType) -> HclValue:
    if wanted.name == "map":
        found = [convert(item, wanted.of or ANY) for item in value.values()]
        items = unified(found) if (wanted.of or ANY).name == "any" else found
        return hcl_object(dict(zip(value, items, strict=True)))
    for name in wanted.members:
        if name not in value and name not in wanted.optional:
            raise TextError(f"attribute {name!r} is required")
    return hcl_object({name: convert(value.get(name), of) for name, of in wanted.members.items()})


def unified(values: list[HclValue]) -> list[HclValue]:
    """Values of one type where they can be: numbers and truths beside strings become strings."""
    kinds = {kind(value) for value in values} - {"null"}
    if len(kinds) > 1 and kinds <= {"string", "number", "bool"}:
        return [None if value is None else as_text(value) for value in values]
    return values
