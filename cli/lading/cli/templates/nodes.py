"""What a template consists of once it is read (Go's text/template/parse/node.go)."""

from __future__ import annotations

from typing import Literal

from lading.store.fastclass import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """What is written as it stands."""

    text: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal: a text, a number, true, false or nil."""

    value: object


@dataclass(frozen=True, slots=True)
class Function:
    """The name of a function."""

    name: str


@dataclass(frozen=True, slots=True)
class FieldChain:
    """The members of members of a value: ``.A.B`` of dot (`start` None), of a variable, or of a pipeline."""

    start: str | Pipeline | None
    names: tuple[str, ...]

    @property
    def text(self) -> str:
        """As it is written."""
        start = self.start if isinstance(self.start, str) else "" if self.start is None else "(…)"
        return start + "".join(f".{name}" for name in self.names) or "."


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, each given the result of the one before; the last result goes to `variables`, where there are any."""

    variables: tuple[str, ...]
    declares: bool
    commands: tuple[tuple[Operand, ...], ...]


Operand = Constant | Function | FieldChain | Pipeline


@dataclass(frozen=True, slots=True)
class TemplateAction:
    """A pipeline whose value is written."""

    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class Block:
    """``if``, ``with`` or ``range``."""

    kind: Literal["if", "with", "range"]
    pipeline: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Jump:
    """``break`` or ``continue``."""

    kind: str


Node = Text | TemplateAction | Block | Jump
