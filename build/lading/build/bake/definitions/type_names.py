"""Types as expressions name them: `string`, `list(string)`, `object({a = number, b = optional(bool)})`."""

from __future__ import annotations

from typing import Final

from lading.build.bake.hcl.hcl_blocks import JsonText, keyword
from lading.build.bake.hcl.hcl_cursor import HclCursor
from lading.build.bake.hcl.hcl_expressions import expression
from lading.build.bake.hcl.hcl_nodes import HclNode, ListNode, Literal, ObjectNode
from lading.build.bake.hcl.hcl_operations import FunctionCall
from lading.build.bake.hcl.hcl_source import HclError
from lading.build.bake.hcl.hcl_types import HclType, TypeName

_PLAIN: Final[dict[str, TypeName]] = {"string": "string", "number": "number", "bool": "bool", "any": "any"}
_OF: Final[dict[str, TypeName]] = {"list": "list", "set": "set", "map": "map"}


def named_type(node: HclNode) -> HclType:
    """The type that an expression names. Raises `HclError`."""
    if isinstance(node, JsonText):
        node = expression(HclCursor(node.spot.file, node.text))
    name = keyword(node)
    if name in _PLAIN:
        return HclType(_PLAIN[name])
    if isinstance(node, FunctionCall):
        return _of(node)
    raise HclError(node.spot, f"{'this' if name is None else repr(name)} is no type")


def _of(call: FunctionCall) -> HclType:
    if len(call.arguments) != 1:
        raise HclError(call.spot, f"{call.name} takes one argument")
    argument = call.arguments[0]
    if call.name in _OF:
        return HclType(_OF[call.name], named_type(argument))
    if call.name == "tuple" and isinstance(argument, ListNode):
        return HclType("tuple", items=tuple(map(named_type, argument.items)))
    if call.name == "object" and isinstance(argument, ObjectNode):
        return _object(argument)
    raise HclError(call.spot, f"{call.name} of this is no type")


def _object(node: ObjectNode) -> HclType:
    members: dict[str, HclType] = {}
    optional: set[str] = set()
    for key, value in node.members:
        if not isinstance(key, Literal) or not isinstance(key.constant, str):
            raise HclError(key.spot, "the names of an object's type are written as they are")
        if isinstance(value, FunctionCall) and value.name == "optional" and value.arguments:
            optional.add(key.constant)
            value = value.arguments[0]  # noqa: PLW2901
        members[key.constant] = named_type(value)
    return HclType("object", members=members, optional=frozenset(optional))
