"""A bake file as blocks and attributes, written in HCL or in JSON (hcl/json/spec.md)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, cast

from lading.build.bake.hcl.hcl_cursor import HclCursor
from lading.build.bake.hcl.hcl_expressions import expression
from lading.build.bake.hcl.hcl_loops import TextTemplate
from lading.build.bake.hcl.hcl_nodes import HclNode, HclScope, ListNode, Literal, Name, ObjectNode
from lading.build.bake.hcl.hcl_source import HclError, HclPlace, at
from lading.build.bake.hcl.hcl_templates import STRINGS, quoted, template
from lading.build.bake.hcl.hcl_values import HclValue, as_text
from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass
from lading.store.oci.json import parse

MAX_FILE: Final = 4 * 1024 * 1024
_LABELLED: Final = ("target", "group", "variable", "function")
_UNLABELLED: Final = ("validation",)


@dataclass(frozen=True, slots=True)
class HclBody:
    """What stands between braces, or in a file."""

    attributes: Mapping[str, HclAttribute]
    blocks: tuple[HclBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class HclAttribute:
    """``name = expression``."""

    spot: HclPlace
    name: str
    node: HclNode


@dataclass(frozen=True, slots=True)
class HclBlock:
    """``kind "label" { … }``."""

    spot: HclPlace
    kind: str
    labels: tuple[str, ...]
    body: HclBody


@dataclass(frozen=True, slots=True)
class JsonText:
    """A string of JSON: a template, or where a name or a type is wanted that."""

    spot: HclPlace
    text: str
    template: HclNode

    def value(self, scope: HclScope) -> HclValue:
        """As `HclNode.value`."""
        return self.template.value(scope)


def keyword(node: HclNode) -> str | None:
    """The name that an expression is, None where it is more."""
    if isinstance(node, JsonText):
        cursor = HclCursor("", node.text)
        name = cursor.name()
        return name if name and cursor.place == len(node.text) else None
    return node.root if isinstance(node, Name) and not node.steps else None


def read_hcl(data: bytes, file: str) -> HclBody:
    """A file in the native syntax. Raises `HclError`."""
    spot = HclPlace(file, 1, 1)
    if len(data) > MAX_FILE:
        raise HclError(spot, "more than 4 MiB")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise HclError(spot, "not UTF-8 text") from None
    cursor = HclCursor(file, text.removeprefix("\ufeff"), strings=STRINGS)
    return _body(cursor, "")


def _body(cursor: HclCursor, end: str) -> HclBody:
    attributes: dict[str, HclAttribute] = {}
    blocks: list[HclBlock] = []
    with cursor.inside(lines=True):
        while not _over(cursor, end):
            spot = cursor.spot()
            name = cursor.name()
            if not name:
                raise cursor.error(f"expected an attribute or a block, found {cursor.found()}")
            if cursor.take("="):
                if name in attributes:
                    raise HclError(spot, f"{name} is set twice, first at line {attributes[name].spot.line}")
                attributes[name] = HclAttribute(spot, name, expression(cursor))
            else:
                blocks.append(_block(cursor, spot, name))
            if cursor.sign() not in ("\n", end) and cursor.place < len(cursor.text):
                raise cursor.error(f"expected a new line after {name}, found {cursor.found()}")
    return HclBody(attributes, tuple(blocks))


def _over(cursor: HclCursor, end: str) -> bool:
    while cursor.take("\n"):
        pass
    if not end:
        return cursor.place >= len(cursor.text)
    return bool(cursor.take(end))


def _block(cursor: HclCursor, spot: HclPlace, kind: str) -> HclBlock:
    labels: list[str] = []
    while not cursor.take("{"):
        cursor.skip()
        if cursor.text.startswith('"', cursor.place):
            node = quoted(cursor)
            labels.append(_label(node))
        elif name := cursor.name():
            labels.append(name)
        else:
            raise cursor.error(f"expected = or a block after {kind}, found {cursor.found()}")
    return HclBlock(spot, kind, tuple(labels), _body(cursor, "}"))


def _label(node: HclNode) -> str:
    if isinstance(node, TextTemplate) and all(isinstance(part, Literal) for part in node.parts):
        with at(node.spot, "label: "):
            return "".join(as_text(part.constant) for part in node.parts if isinstance(part, Literal))
    raise HclError(node.spot, "a label is plain text, without ${}")


def read_json(data: bytes, file: str) -> HclBody:
    """A file of JSON. Raises `HclError`."""
    spot = HclPlace(file, 0, 0)
    try:
        found = parse(data, file)
    except DocumentError as error:
        raise HclError(spot, error.message.removeprefix(f"{file}: ")) from None
    return _json_body(found, spot)


def _json_body(found: object, spot: HclPlace) -> HclBody:
    if not isinstance(found, dict):
        raise HclError(spot, "expected an object")
    attributes: dict[str, HclAttribute] = {}
    blocks: list[HclBlock] = []
    for name, value in cast("dict[str, object]", found).items():
        place = spot.below(name)
        if name in _LABELLED and not spot.path:
            blocks += _json_blocks(place, name, value)
        elif name in _UNLABELLED and spot.path:
            blocks += [HclBlock(place, name, (), _json_body(one, place)) for one in _each(value)]
        elif name != "//":
            attributes[name] = HclAttribute(place, name, _json_node(value, place))
    return HclBody(attributes, tuple(blocks))


def _json_blocks(spot: HclPlace, kind: str, found: object) -> list[HclBlock]:
    blocks: list[HclBlock] = []
    for labelled in _each(found):
        if not isinstance(labelled, dict):
            raise HclError(spot, "expected an object")
        for label, one in cast("dict[str, object]", labelled).items():
            place = spot.below(label)
            blocks += [HclBlock(place, kind, (label,), _json_body(body, place)) for body in _each(one)]
    return blocks


def _each(found: object) -> list[object]:
    return cast("list[object]", found) if isinstance(found, list) else [found]


def _json_node(found: object, spot: HclPlace) -> HclNode:
    if isinstance(found, str):
        return JsonText(spot, found, template(spot.file, found, spot))
    if isinstance(found, list):
        items = cast("list[object]", found)
        return ListNode(spot, tuple(_json_node(item, spot.below(str(number))) for number, item in enumerate(items)))
    if isinstance(found, dict):
        members = cast("dict[str, object]", found)
        return ObjectNode(
            spot,
            tuple(
                (template(spot.file, name, spot.below(name)), _json_node(value, spot.below(name)))
                for name, value in members.items()
            ),
        )
    if isinstance(found, int | float) and not isinstance(found, bool):
        return Literal(spot, Decimal(str(found)))
    return Literal(spot, cast("bool | None", found))
