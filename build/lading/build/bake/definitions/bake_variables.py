"""Variables of bake files: their defaults, what the caller sets instead, their types, and what must hold of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from lading.build.bake.definitions.type_names import named_type
from lading.build.bake.entries import boolean
from lading.build.bake.hcl.functions.encoding_functions import from_json, to_json
from lading.build.bake.hcl.hcl_blocks import HclBlock
from lading.build.bake.hcl.hcl_nodes import HclScope
from lading.build.bake.hcl.hcl_source import HclError, at
from lading.build.bake.hcl.hcl_types import ANY, HclType, convert
from lading.build.bake.hcl.hcl_values import HclValue, ValueSet, as_bool, as_text, hcl_object, kind, parse_number
from lading.build.dockerfile.instruction_values import csv_fields
from lading.build.errors import TextError
from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass
from lading.store.oci.json import parse

_KNOWN: Final = ("default", "description", "type")
_JSON: Final = "_JSON"


@dataclass(frozen=True, slots=True)
class BakeVariable:
    """A variable as it is listed; `value` is None for null."""

    name: str
    description: str = ""
    type: str = ""
    value: str | None = None

    @property
    def shown(self) -> str:
        """Its value in a table."""
        return "<null>" if self.value is None else self.value


@dataclass(frozen=True, slots=True)
class Declared:
    """A ``variable`` block. `given` says what the caller sets a name to."""

    block: HclBlock
    given: Callable[[str], str | None]

    @property
    def name(self) -> str:
        """Its name."""
        return self.block.labels[0]

    @property
    def type(self) -> HclType | None:
        """The type that it names, None where it names none. Raises `HclError`."""
        found = self.block.body.attributes.get("type")
        return None if found is None else named_type(found.node)

    def value(self, scope: HclScope, *, json: bool) -> HclValue:
        """What it comes to; with `json` ``NAME_JSON`` counts. Raises `HclError`."""
        for name, attribute in self.block.body.attributes.items():
            if name not in _KNOWN:
                raise HclError(attribute.spot, f"a variable has no {name!r}: it has {', '.join(_KNOWN)}, validation")
        default, wanted = self._default(scope), self.type
        text = self.given(self.name)
        with at(self.block.spot, f"variable {self.name}: "):
            if json and (wanted is not None or text is None):
                written = self.given(self.name + _JSON)
                if written is not None:
                    return _of_json(written, wanted) if wanted else _set(written, None, default)
            if text is None:
                return "" if default is None and not wanted and not self._has_default else default
            return _set(text, wanted, default)

    @property
    def _has_default(self) -> bool:
        return "default" in self.block.body.attributes

    def _default(self, scope: HclScope) -> HclValue:
        found = self.block.body.attributes.get("default")
        if found is None:
            return None
        with at(found.spot, f"variable {self.name}: default: "):
            return convert(found.node.value(scope), self.type or ANY)

    def validate(self, scope: HclScope) -> None:
        """Raises `HclError` where a condition on it does not hold."""
        for block in self.block.body.blocks:
            if block.kind != "validation":
                raise HclError(block.spot, f"a variable has no block {block.kind!r}: it has validation")
            given = block.body.attributes
            for name in ("condition", "error_message"):
                if name not in given:
                    raise HclError(block.spot, f"a validation has no {name}")
            condition = given["condition"]
            with at(condition.spot, "condition: "):
                if not as_bool(condition.node.value(scope)):
                    message = given["error_message"].node.value(scope)
                    raise HclError(condition.spot, f"variable {self.name}: {as_text(message or 'not valid')}")

    def listed(self, value: HclValue) -> BakeVariable:
        """As it is listed with its value."""
        described = self.block.body.attributes.get("description")
        text = as_text(described.node.value(_NOTHING)) if described else ""
        wanted = self.type
        if value is None:
            return BakeVariable(self.name, text, str(wanted or ""))
        if isinstance(value, str) and (wanted is None or wanted.is_primitive):
            shown = value
        else:
            shown = as_text(value) if kind(value) in ("bool", "number", "string") else to_json(value)
        return BakeVariable(self.name, text, str(wanted or ""), shown)


def _of_json(text: str, wanted: HclType) -> HclValue:
    try:
        return convert(from_json(parse(text.encode(), "its JSON")), wanted)
    except DocumentError as error:
        raise TextError(error.message) from None


def _set(text: str, wanted: HclType | None, default: HclValue) -> HclValue:
    """What the caller sets it to: as its type has it, else as its default is."""
    if wanted is not None and wanted.name != "any":
        if wanted.name in _PARTED:
            return _PARTED[wanted.name](text, wanted)
        if not wanted.is_primitive:
            raise TextError(f"a {wanted} is set as JSON alone, by the variable with _JSON after its name")
        return _plain(text, wanted.name)
    found = kind(default)
    if found in ("tuple", "object", "set"):
        raise TextError(f"a {found} without a type cannot be set: give the variable a type")
    return text if found == "null" else _plain(text, found)


def _plain(text: str, name: str) -> HclValue:
    if name == "bool":
        return boolean(text)
    return parse_number(text) if name == "number" else text


def _items(text: str, wanted: HclType) -> HclValue:
    of = wanted.of or ANY
    if not of.is_primitive:
        raise TextError(f"a {wanted} is set as JSON alone, by the variable with _JSON after its name")
    found = tuple(_plain(item, of.name) for item in csv_fields(text))
    return ValueSet.of(found) if wanted.name == "set" else found


def _tuple(text: str, wanted: HclType) -> HclValue:
    fields = csv_fields(text)
    if len(fields) != len(wanted.items):
        raise TextError(f"expected {len(wanted.items)} elements, and {len(fields)} are given")
    return tuple(_plain(item, of.name) for item, of in zip(fields, wanted.items, strict=True))


def _map(text: str, wanted: HclType) -> HclValue:
    found: dict[str, HclValue] = {}
    for item in csv_fields(text):
        name, colon, value = item.partition(":")
        if not colon:
            raise TextError(f"expected NAME:VALUE, and {item!r} has no colon")
        found[name] = _plain(value, (wanted.of or ANY).name)
    return hcl_object(found)


_PARTED: Final[Mapping[str, Callable[[str, HclType], HclValue]]] = {
    "list": _items,
    "set": _items,
    "tuple": _tuple,
    "map": _map,
}


class _Nothing:
    """Where no name means anything."""

    def lookup(self, spot: object, root: str, steps: tuple[str, ...]) -> tuple[HclValue, int]:
        del spot, steps
        raise TextError(f"{root} has no value here")

    def call(self, spot: object, name: str, arguments: object, *, spread: bool) -> HclValue:
        del spot, arguments, spread
        raise TextError(f"{name} cannot be called here")

    def within(self, names: Mapping[str, HclValue]) -> HclScope:
        del names
        return self


_NOTHING: Final[HclScope] = _Nothing()
