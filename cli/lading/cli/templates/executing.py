"""Executing a template on data (Go's text/template/exec.go): bounded in steps and in what it writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from inspect import signature
from typing import Final, cast

from lading.cli.templates.functions import FUNCTIONS, LAZY, NAMES, BuiltInFunction
from lading.cli.templates.go_values import Lookup, fault, kind, member, show, true
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
from lading.cli.templates.parsing import parse

_MAX_STEPS: Final = 1_000_000
_MAX_OUTPUT: Final = 64 * 1024 * 1024
_NOTHING: Final = object()


class Template:
    """A template that was read; `functions` stand for those of the same name."""

    def __init__(self, text: str, functions: Mapping[str, BuiltInFunction] | None = None) -> None:
        self._nodes = parse(text, NAMES)
        self._functions = {**FUNCTIONS, **(functions or {})}

    def render(self, data: object) -> str:
        """What it makes of `data`. Raises `InputError`."""
        run = _Run(self._functions, data)
        run.walk(self._nodes, data)
        return "".join(run.written)


class _Jumped(Exception):  # noqa: N818 - it is no error
    def __init__(self, kind: str) -> None:
        self.kind = kind


class _Run:
    def __init__(self, functions: Mapping[str, BuiltInFunction], data: object) -> None:
        self.written: list[str] = []
        self._functions = functions
        self._variables: list[tuple[str, object]] = [("$", data)]
        self._steps = 0
        self._size = 0

    def walk(self, nodes: Iterable[Node], dot: object) -> None:
        for node in nodes:
            self._step()
            match node:
                case Text(text):
                    self._write(text)
                case TemplateAction(pipeline):
                    value = self._pipeline(pipeline, dot)
                    if not pipeline.variables:
                        self._write(show(value))
                case Block():
                    self._scoped(node, dot)
                case Jump(kind):
                    raise _Jumped(kind)

    def _step(self) -> None:
        self._steps += 1
        if self._steps > _MAX_STEPS:
            raise fault(f"more than {_MAX_STEPS} steps")

    def _write(self, text: str) -> None:
        self._size += len(text)
        if self._size > _MAX_OUTPUT:
            raise fault(f"writes more than {_MAX_OUTPUT} characters")
        self.written.append(text)

    def _scoped(self, block: Block, dot: object) -> None:
        """What a block declares ends with it."""
        known = len(self._variables)
        try:
            self._block(block, dot)
        finally:
            del self._variables[known:]

    def _block(self, block: Block, dot: object) -> None:
        if block.kind == "range":
            self._range(block, dot)
            return
        value = self._pipeline(block.pipeline, dot)
        if true(value):
            self.walk(block.body, value if block.kind == "with" else dot)
        else:
            self.walk(block.otherwise, dot)

    def _range(self, block: Block, dot: object) -> None:
        names = block.pipeline.variables
        entries = _entries(self._pipeline(block.pipeline, dot))
        known = len(self._variables)
        for place, value in entries:
            self._step()
            shown = (value,) if len(names) == 1 else (place, value)
            for name, item in zip(names, shown, strict=False):
                self._assign(name, item, block.pipeline.declares)
            try:
                self.walk(block.body, value)
            except _Jumped as jump:
                if jump.kind == "break":
                    break
            finally:
                del self._variables[known:]
        if not entries:
            self.walk(block.otherwise, dot)

    def _assign(self, name: str, value: object, declares: bool) -> None:
        if declares:
            self._variables.append((name, value))
            return
        for place in reversed(range(len(self._variables))):
            if self._variables[place][0] == name:
                self._variables[place] = (name, value)
                return
        raise fault(f"undefined variable {name!r}")

    def _pipeline(self, pipeline: Pipeline, dot: object) -> object:
        value = self._commands(pipeline, dot)
        for name in pipeline.variables:
            self._assign(name, value, pipeline.declares)
        return value

    def _commands(self, pipeline: Pipeline, dot: object) -> object:
        value: object = _NOTHING
        for command in pipeline.commands:
            value = self._command(command, dot, value)
        return value

    def _command(self, command: tuple[Operand, ...], dot: object, last: object) -> object:
        self._step()
        first, *rest = command
        if isinstance(first, Function):
            given = [] if last is _NOTHING else [lambda: last]
            return self._call(first.name, [*(self._later(operand, dot) for operand in rest), *given])
        if rest and isinstance(first, FieldChain) and isinstance(asked := self._operand(first, dot), Lookup):
            return asked[show(self._operand(rest[0], dot))]
        if rest or last is not _NOTHING:
            shown = first.text if isinstance(first, FieldChain) else "a value"
            raise fault(f"can't give argument to non-function {shown}")
        return self._operand(first, dot)

    def _later(self, operand: Operand, dot: object) -> Callable[[], object]:
        return lambda: self._operand(operand, dot)

    def _call(self, name: str, arguments: list[Callable[[], object]]) -> object:
        if name in LAZY:
            return _lazy(name, arguments)
        values = [argument() for argument in arguments]
        function = self._functions[name]
        try:
            signature(function).bind(*values)
        except TypeError:
            raise fault(f"wrong number of args for {name}: {len(values)}") from None
        return function(*values)

    def _operand(self, operand: Operand, dot: object) -> object:
        self._step()
        match operand:
            case Constant(value):
                return value
            case Function(name):
                return self._call(name, [])
            case Pipeline():
                return self._pipeline(operand, dot)
            case FieldChain(start, names):
                value = self._start(start, dot)
                for name in names:
                    value = member(value, name)
                return value

    def _start(self, start: str | Pipeline | None, dot: object) -> object:
        if start is None:
            return dot
        if isinstance(start, Pipeline):
            return self._pipeline(start, dot)
        for name, value in reversed(self._variables):
            if name == start:
                return value
        raise fault(f"undefined variable {start!r}")


def _lazy(name: str, arguments: list[Callable[[], object]]) -> object:
    if not arguments:
        raise fault(f"wrong number of args for {name}: 0")
    value: object = None
    for argument in arguments:
        value = argument()
        if true(value) is (name == "or"):
            break
    return value


def _entries(value: object) -> list[tuple[object, object]]:
    """What `range` goes through: places and items, keys and values in order, or the numbers below one."""
    match value:
        case None:
            return []
        case bool():
            raise fault("range can't iterate over a bool")
        case int():
            return [(number, number) for number in range(min(value, _MAX_STEPS + 1))]
        case list():
            return list(enumerate(cast("list[object]", value)))
        case dict():
            return sorted(cast("dict[object, object]", value).items(), key=lambda entry: str(entry[0]))
        case _:
            raise fault(f"range can't iterate over {kind(value)}")
