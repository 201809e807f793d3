"""What expressions come to: text, numbers, truth, null, lists, sets and objects, and how one becomes another.

As in the reference (cty) the members of an object are walked in the order of their names, and a list that was
written differs from one of a given type only where the type is asked for.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from decimal import Context, Decimal, DecimalException
from typing import Final, TypeAlias, cast

from lading.build.errors import TextError
from lading.store.fastclass import dataclass

NUMBERS: Final = Context(prec=154)
"""As exact as the reference's 512 bits."""
MAX_TEXT: Final = 16 * 1024 * 1024
"""Characters of one text."""
_MAX_DIGITS: Final = 1000


@dataclass(frozen=True, slots=True)
class ValueSet:
    """A set, in its order."""

    items: tuple[HclValue, ...]

    @classmethod
    def of(cls, items: Iterable[HclValue]) -> ValueSet:
        """Each value once, in the reference's order: numbers by size, all else by their text."""
        return cls(tuple(sorted(each_once(items), key=_order)))


HclValue: TypeAlias = "str | Decimal | bool | tuple[HclValue, ...] | ValueSet | Mapping[str, HclValue] | None"


def _order(value: HclValue) -> tuple[int, Decimal, str]:
    if isinstance(value, Decimal):
        return 0, value, ""
    return (1, Decimal(0), value) if isinstance(value, str) else (2, Decimal(0), repr(value))


def hcl_object(members: Mapping[str, HclValue]) -> Mapping[str, HclValue]:
    """An object of these members, in the order of their names."""
    return {name: members[name] for name in sorted(members, key=str.encode)}


def kind(value: HclValue) -> str:
    """What a value is called in errors."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, Decimal):
        return "number"
    if isinstance(value, ValueSet):
        return "set"
    return "tuple" if isinstance(value, tuple) else "object"


def identity(value: HclValue) -> Hashable:
    """What is the same for values that are `equal`, and for no others."""
    if isinstance(value, ValueSet):
        return "set", tuple(map(identity, value.items))
    if isinstance(value, tuple):
        return "tuple", tuple(map(identity, value))
    if isinstance(value, Mapping):
        return "object", tuple((name, identity(value[name])) for name in sorted(value))
    return kind(value), value


def each_once(items: Iterable[HclValue]) -> Iterable[HclValue]:
    """Without what is equal to one before."""
    found: dict[Hashable, HclValue] = {}
    for item in items:
        found.setdefault(identity(item), item)
    return found.values()


def equal(one: HclValue, other: HclValue) -> bool:
    """Whether both are the same, in kind too."""
    if kind(one) != kind(other):
        return False
    if isinstance(one, ValueSet):
        return equal(one.items, cast("ValueSet", other).items)
    if isinstance(one, tuple):
        others = cast("tuple[HclValue, ...]", other)
        return len(one) == len(others) and all(map(equal, one, others))
    if isinstance(one, Mapping):
        members = cast("Mapping[str, HclValue]", other)
        return one.keys() == members.keys() and all(equal(one[name], members[name]) for name in one)
    return one == other


def written(number: Decimal) -> str:
    """A number without an exponent. Raises `TextError` for one that nobody could read."""
    if number.is_zero():
        return "-0" if number.is_signed() else "0"
    if abs(number.adjusted()) > _MAX_DIGITS:
        raise TextError("a number of more than 1000 digits")
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def parse_number(text: str) -> Decimal:
    """Raises `TextError`."""
    try:
        found = NUMBERS.create_decimal(text.strip())
    except DecimalException:
        found = None
    if found is None or not found.is_finite() or "_" in text:
        raise TextError(f"{text!r} is not a number")
    return found


def as_text(value: HclValue) -> str:
    """A string, or what a number or truth is as one. Raises `TextError`."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return written(value)
    raise TextError(f"string required, and this is {_a(value)}")


def check_length(length: int) -> None:
    """Raises `TextError` for a text of more characters than any that is meant."""
    if length > MAX_TEXT:
        raise TextError("a string of more than 16 MiB")


def as_number(value: HclValue) -> Decimal:
    """A number, or a string that is one. Raises `TextError`."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, str):
        return parse_number(value)
    raise TextError(f"number required, and this is {_a(value)}")


def as_whole(value: HclValue) -> int:
    """A whole number. Raises `TextError`."""
    number = as_number(value)
    if number != number.to_integral_value() or abs(number) > Decimal(2) ** 63:
        raise TextError("a whole number is required")
    return int(number)


def as_bool(value: HclValue) -> bool:
    """Truth, or the words for it. Raises `TextError`."""
    if isinstance(value, bool):
        return value
    if value in ("true", "1"):
        return True
    if value in ("false", "0"):
        return False
    raise TextError(f"bool required, and this is {_a(value)}")


def as_items(value: HclValue) -> tuple[HclValue, ...]:
    """The items of a list or a set. Raises `TextError`."""
    if isinstance(value, ValueSet):
        return value.items
    if isinstance(value, tuple):
        return value
    raise TextError(f"list required, and this is {_a(value)}")


def as_members(value: HclValue) -> Mapping[str, HclValue]:
    """The members of an object. Raises `TextError`."""
    if isinstance(value, Mapping):
        return value
    raise TextError(f"object required, and this is {_a(value)}")


def number_of(value: int) -> Decimal:
    """A whole number as HCL has it."""
    return Decimal(value)


def _a(value: HclValue) -> str:
    return "null" if value is None else f"{'an' if kind(value) == 'object' else 'a'} {kind(value)}"
