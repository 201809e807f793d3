"""From words to nodes (Go's text/template/parse/parse.go). What is wrong with a template is said before it runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Set
from typing import Final, Literal

from lading.cli.templates.lexing import KEYWORDS, Token, fault, tokens
from lading.cli.templates.nodes import (
    Block,
    Constant,
    FieldChain,
    Function,
    Jump,
    Node,
    Operand,
    Pipeline,
    TemplateAction,
    Text,
)
from lading.store.system.patterns import pattern

_MAX_DEPTH: Final = 50
_BLOCKS: Final[dict[str, Literal["if", "with", "range"]]] = {"if": "if", "with": "with", "range": "range"}
_CONSTANTS: Final[dict[str, object]] = {"true": True, "false": False, "nil": None}
_ESCAPE: Final = pattern(r"\\(?:[abfnrtv\\'\"]|x[0-9a-fA-F]{2}|[0-7]{3}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|(.?))")


def parse(template: str, functions: Set[str]) -> tuple[Node, ...]:
    """The nodes of a template that calls nothing but `functions`. Raises `UsageError`."""
    return _Parser(tokens(template), functions).whole()


class _Parser:
    def __init__(self, words: Iterator[Token], functions: Set[str]) -> None:
        self._words = words
        self._functions = functions
        self._ahead: list[Token] = []
        self._known = ["$"]
        self._loops = 0
        self._depth = 0

    def whole(self) -> tuple[Node, ...]:
        nodes, end = self._list()
        if end != "":
            raise fault(f"unexpected {{{{{end}}}}}")
        return nodes

    # Words

    def _peek(self, *, spaces: bool = False) -> Token:
        while not spaces and self._ahead and self._ahead[0].kind == "space":
            self._ahead.pop(0)
        while not self._ahead:
            token = next(self._words)
            if spaces or token.kind != "space":
                self._ahead.append(token)
        return self._ahead[0]

    def _next(self, *, spaces: bool = False) -> Token:
        token = self._peek(spaces=spaces)
        self._ahead.pop(0)
        return token

    def _expect(self, kind: str, where: str) -> None:
        token = self._next()
        if token.kind != kind:
            raise fault(f"unexpected {token.text or 'end'!r} in {where}")

    # Nodes

    def _list(self) -> tuple[tuple[Node, ...], str]:
        """Nodes up to an ``end`` or ``else``, or to the end of it all; and that word."""
        nodes: list[Node] = []
        while (token := self._next()).kind != "end":
            if token.kind == "text":
                nodes.append(Text(token.text))
                continue
            word = self._peek().text if self._peek().kind == "name" else ""
            if word in ("end", "else"):
                self._next()
                return tuple(nodes), word
            nodes.append(self._node(word))
        return tuple(nodes), ""

    def _node(self, word: str) -> Node:
        if word in _BLOCKS:
            self._next()
            return self._block(_BLOCKS[word])
        if word in ("break", "continue"):
            self._next()
            self._expect("close", word)
            if not self._loops:
                raise fault(f"{{{{{word}}}}} outside {{{{range}}}}")
            return Jump(word)
        if word in ("define", "template", "block"):
            raise fault(f"{{{{{word}}}}}: templates within templates are not supported")
        return TemplateAction(self._pipeline("command", "close"))

    def _block(self, kind: Literal["if", "with", "range"]) -> Block:
        self._deeper()
        known = len(self._known)
        pipeline = self._pipeline(kind, "close")
        self._loops += kind == "range"
        body, end = self._list()
        self._loops -= kind == "range"
        otherwise: tuple[Node, ...] = ()
        if end == "else":
            otherwise, end = self._else(kind)
        if end != "end":
            raise fault(f"unexpected end: {{{{{kind}}}}} has no {{{{end}}}}")
        if not isinstance(otherwise, _Chained):
            self._expect("close", "end")
        del self._known[known:]
        self._depth -= 1
        return Block(kind, pipeline, body, tuple(otherwise))

    def _else(self, kind: str) -> tuple[tuple[Node, ...], str]:
        """``else``, or ``else if`` and ``else with``, whose end is that of the whole."""
        token = self._peek()
        if token.kind == "name" and token.text in ("if", "with") and token.text == kind:
            self._next()
            return _Chained((self._block(_BLOCKS[token.text]),)), "end"
        self._expect("close", "else")
        return self._list()

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise fault(f"more than {_MAX_DEPTH} deep")

    # Pipelines

    def _pipeline(self, where: str, end: str) -> Pipeline:
        variables, declares = self._variables(where)
        commands = [self._command()]
        while self._peek().text == "|":
            self._next()
            commands.append(self._command())
        token = self._next()
        if token.kind != "close" if end == "close" else token.text != ")":
            raise fault(f"unexpected {token.text or 'end'!r} in {where}")
        if not all(commands):
            raise fault(f"missing value for {where}")
        if any(command == (Constant(None),) for command in commands):
            raise fault("nil is not a command")
        if any(isinstance(command[0], Constant) for command in commands[1:]):
            raise fault("a literal cannot be given the result of a command")
        return Pipeline(variables, declares, tuple(commands))

    def _variables(self, where: str) -> tuple[tuple[str, ...], bool]:
        """The ``$a :=`` or ``$a, $b :=`` or ``$a =`` before a pipeline."""
        names: list[str] = []
        taken: list[Token] = []
        while self._peek().kind == "variable":
            taken.append(self._next())
            names.append(taken[-1].text)
            after = self._peek(spaces=True)
            space = [self._next(spaces=True)] if after.kind == "space" else []
            sign = self._peek().text
            if sign in (":=", "="):
                self._next()
                self._check(names, sign == ":=", where)
                return tuple(names), sign == ":="
            if sign != "," or where != "range" or len(names) > 1:
                self._ahead = [*taken, *space, *self._ahead]
                return (), False
            taken += [*space, self._next()]
        if taken:
            raise fault("range can only declare two variables")
        return (), False

    def _check(self, names: list[str], declares: bool, where: str) -> None:
        for name in names:
            if not declares and name not in self._known:
                raise fault(f"undefined variable {name!r}")
        if len(names) > 1 and where != "range":
            raise fault(f"too many declarations in {where}")
        self._known += names  # known at once, though without a value until the pipeline has one

    def _command(self) -> tuple[Operand, ...]:
        operands: list[Operand] = []
        while (operand := self._operand()) is not None:
            operands.append(operand)
            after = self._peek(spaces=True)
            if after.kind not in ("space", "close") and after.text not in ("|", ")"):
                raise fault(f"unexpected {after.text!r} in operand")
        return tuple(operands)

    def _operand(self) -> Operand | None:
        token = self._peek()
        if token.kind == "close" or token.text in ("|", ")"):
            return None
        return self._begun(self._next())

    def _begun(self, token: Token) -> Operand:
        match token.kind:
            case "field":
                return FieldChain(None, (token.text[1:], *self._members()))
            case "dot":
                return FieldChain(None, ())
            case "variable" if token.text in self._known:
                return FieldChain(token.text, self._members())
            case "name":
                return self._word(token.text)
            case "sign" if token.text == "(":
                return self._parenthesized()
            case "string" | "raw" | "character" | "number":
                return Constant(_literal(token))
            case _:
                what = "undefined variable" if token.kind == "variable" else "unexpected"
                raise fault(f"{what} {token.text!r}")

    def _parenthesized(self) -> Operand:
        self._deeper()
        inner = self._pipeline("parenthesized pipeline", ")")
        self._depth -= 1
        names = self._members()
        return FieldChain(inner, names) if names else inner

    def _members(self) -> tuple[str, ...]:
        names: list[str] = []
        while self._peek(spaces=True).kind == "field":
            names.append(self._next(spaces=True).text[1:])
        return tuple(names)

    def _word(self, name: str) -> Operand:
        if name in _CONSTANTS:
            return Constant(_CONSTANTS[name])
        if name in KEYWORDS:
            raise fault(f"unexpected {name!r}")
        if name not in self._functions:
            raise fault(f"function {name!r} not defined")
        return Function(name)


class _Chained(tuple[Node, ...]):
    """The block of an ``else if``; it has taken the end of the block around it."""

    __slots__ = ()


def _literal(token: Token) -> object:
    if token.kind == "raw":
        return token.text[1:-1]
    if token.kind == "number":
        return _number(token.text)
    text = _unquoted(token.text)
    if token.kind == "string":
        return text
    if len(text) != 1:
        raise fault(f"malformed character constant: {token.text}")
    return ord(text)


def _unquoted(text: str) -> str:
    for escape in _ESCAPE.finditer(text[1:-1]):
        if escape.group(1) is not None:
            raise fault(f"invalid escape {escape.group()!r}")
    try:
        return str(ast.literal_eval(text))  # what is left, Go and Python read alike
    except (SyntaxError, ValueError):
        raise fault(f"invalid text {text}") from None


def _number(text: str) -> int | float:
    try:
        plain = text.replace("_", "")
        if re.fullmatch(r"[+-]?0[0-7]+", plain):
            return int(plain, 8)
        return int(plain, 0) if re.fullmatch(r"[+-]?(0[xXbBoO]\w+|\d+)", plain) else float(plain)
    except ValueError:
        raise fault(f"bad number syntax: {text!r}") from None
