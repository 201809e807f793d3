"""Text to expressions (the native syntax of HCL, https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md)."""

from __future__ import annotations

from typing import Final

from lading.build.bake.hcl.hcl_cursor import HclCursor
from lading.build.bake.hcl.hcl_loops import ForNode, Turns
from lading.build.bake.hcl.hcl_nodes import EACH, HclNode, Item, ListNode, Literal, Name, ObjectNode, Splat
from lading.build.bake.hcl.hcl_operations import Binary, Conditional, FunctionCall, Unary
from lading.build.bake.hcl.hcl_source import HclPlace, at
from lading.build.bake.hcl.hcl_values import HclValue, number_of, parse_number
from lading.store.system.patterns import pattern

_NUMBER: Final = pattern(r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_INDEX: Final = pattern(r"\d+")
_HEREDOC: Final = pattern(r"<<(-?)([^\W\d][\w-]*)\r?\n")
_LEVELS: Final = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="), ("+", "-"), ("*", "/", "%"))
_WORDS: Final[dict[str, HclValue]] = {"true": True, "false": False, "null": None}


def expression(cursor: HclCursor) -> HclNode:
    """The expression that comes next. Raises `HclError`."""
    spot = cursor.spot()
    with cursor.inside(lines=cursor.lines):
        condition = _binary(cursor, 0)
        if not cursor.take("?"):
            return condition
        yes = expression(cursor)
        cursor.need(":", "the first result of a condition")
        return Conditional(spot, condition, yes, expression(cursor))


def _binary(cursor: HclCursor, level: int) -> HclNode:
    if level == len(_LEVELS):
        return _unary(cursor)
    spot = cursor.spot()
    left = _binary(cursor, level + 1)
    while sign := cursor.take(*_LEVELS[level]):
        left = Binary(spot, left, sign, _binary(cursor, level + 1))
    return left


def _unary(cursor: HclCursor) -> HclNode:
    spot = cursor.spot()
    sign = cursor.take("-", "!")
    if not sign:
        return _steps(cursor, _term(cursor))
    with cursor.inside(lines=cursor.lines):
        return Unary(spot, sign, _unary(cursor))


def _term(cursor: HclCursor) -> HclNode:
    spot = cursor.spot()
    if found := cursor.match(_NUMBER):
        with at(spot):
            return Literal(spot, parse_number(found[0]))
    if cursor.strings and cursor.text.startswith('"', cursor.place):
        return cursor.strings.quoted(cursor)
    if cursor.strings and (found := cursor.match(_HEREDOC)):
        return cursor.strings.heredoc(cursor, spot, found[2], flush=bool(found[1]))
    begins = {"(": _parentheses, "[": _list, "{": _object}
    return begins.get(cursor.take(*begins), _named)(cursor, spot)


def _parentheses(cursor: HclCursor, spot: HclPlace) -> HclNode:
    del spot
    with cursor.inside(lines=False):
        node = expression(cursor)
        cursor.need(")", "an expression in parentheses")
    return node


def _named(cursor: HclCursor, spot: HclPlace) -> HclNode:
    name = cursor.name()
    if not name:
        raise cursor.error(f"expected an expression, found {cursor.found()}")
    while cursor.text.startswith("::", cursor.place):
        cursor.place += 2
        name += "::" + cursor.name()
    if cursor.take("("):
        return _call(cursor, spot, name)
    return Literal(spot, _WORDS[name]) if name in _WORDS else Name(spot, name)


def _call(cursor: HclCursor, spot: HclPlace, name: str) -> HclNode:
    arguments: list[HclNode] = []
    spread = False
    with cursor.inside(lines=False):
        while not cursor.take(")"):
            arguments.append(expression(cursor))
            spread = bool(cursor.take("..."))
            if spread or not cursor.take(","):
                cursor.need(")", f"the arguments of {name}")
                break
    return FunctionCall(spot, name, tuple(arguments), spread)


def _steps(cursor: HclCursor, node: HclNode) -> HclNode:
    """What follows a term: members, items and splats."""
    while True:
        spot = cursor.spot()
        sign = cursor.sign()
        if sign == "." and not cursor.text.startswith("...", cursor.place):
            cursor.take(".")
            if cursor.take("*"):
                return Splat(spot, node, _dotted(cursor, Name(spot, EACH)))
            node = _member(cursor, node, spot)
        elif sign == "[":
            cursor.take("[")
            if cursor.take("*"):
                cursor.need("]", "*")
                return Splat(spot, node, _steps(cursor, Name(spot, EACH)))
            with cursor.inside(lines=False):
                key = expression(cursor)
                cursor.need("]", "an index")
            node = _item(node, key, spot)
        else:
            return node


def _dotted(cursor: HclCursor, node: HclNode) -> HclNode:
    while cursor.sign() == ".":
        spot = cursor.spot()
        cursor.take(".")
        node = _member(cursor, node, spot)
    return node


def _member(cursor: HclCursor, node: HclNode, spot: HclPlace) -> HclNode:
    cursor.skip()
    if found := cursor.match(_INDEX):
        return Item(spot, node, Literal(spot, number_of(int(found[0]))))
    name = cursor.name()
    if not name:
        raise cursor.error(f"expected the name of an attribute after the dot, found {cursor.found()}")
    return _item(node, Literal(spot, name), spot)


def _item(node: HclNode, key: HclNode, spot: HclPlace) -> HclNode:
    constant = key.constant if isinstance(key, Literal) else None
    if isinstance(node, Name) and isinstance(constant, str):
        return Name(node.spot, node.root, (*node.steps, constant))
    return Item(spot, node, key)


def turns(cursor: HclCursor) -> Turns:
    """What comes after ``for``, up to the colon. Raises `HclError`."""
    spot = cursor.spot()
    first, second = cursor.name(), ""
    if cursor.take(","):
        second = cursor.name()
    if not first or not cursor.word("in"):
        raise cursor.error("expected: for NAME in …, or for NAME, NAME in …")
    return Turns(spot, first if second else None, second or first, expression(cursor))


def _list(cursor: HclCursor, spot: HclPlace) -> HclNode:
    with cursor.inside(lines=False):
        if cursor.word("for"):
            found = _for(cursor, spot, "]")
        else:
            items: list[HclNode] = []
            while not cursor.take("]"):
                items.append(expression(cursor))
                if not cursor.take(","):
                    cursor.need("]", "the items of a list")
                    break
            found = ListNode(spot, tuple(items))
    return found


def _for(cursor: HclCursor, spot: HclPlace, end: str) -> HclNode:
    found = turns(cursor)
    cursor.need(":", "what a loop goes over")
    each, key, grouped = expression(cursor), None, False
    if end == "}":
        cursor.need("=>", "the key of an object")
        key, each = each, expression(cursor)
        grouped = bool(cursor.take("..."))
    condition = expression(cursor) if cursor.word("if") else None
    cursor.need(end, "a loop")
    return ForNode(spot, found, key, each, condition, grouped)


def _object(cursor: HclCursor, spot: HclPlace) -> HclNode:
    with cursor.inside(lines=False):
        if cursor.word("for"):
            return _for(cursor, spot, "}")
    members: list[tuple[HclNode, HclNode]] = []
    with cursor.inside(lines=True):
        while True:
            while cursor.take("\n"):
                pass
            if cursor.take("}"):
                break
            members.append(_pair(cursor))
            if not cursor.take(",", "\n") and cursor.sign() != "}":
                raise cursor.error(f"expected a newline or a comma between two members, found {cursor.found()}")
    return ObjectNode(spot, tuple(members))


def _pair(cursor: HclCursor) -> tuple[HclNode, HclNode]:
    spot, start = cursor.spot(), cursor.place
    name = cursor.name()
    if name and cursor.sign() in ("=", ":"):
        key: HclNode = Literal(spot, name)
    else:
        cursor.place = start
        key = expression(cursor)
    if not cursor.take("=", ":"):
        raise cursor.error(f"expected = or : after the key of an object, found {cursor.found()}")
    return key, expression(cursor)
