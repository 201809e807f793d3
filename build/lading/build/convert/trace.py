"""What is seen while a Dockerfile is evaluated: the checks look at it afterwards, however far it came."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from lading.build.dockerfile.expansion import Expansion
from lading.build.dockerfile.instructions import Instruction, Stage
from lading.store.fastclass import dataclass, field
from lading.store.oci.descriptors import Platform

if TYPE_CHECKING:
    from lading.build.convert.stage_state import StageState


_GUESSES: Final = 100
"""Instructions with unknown variables for which it is told what may have been meant."""


@dataclass(frozen=True, slots=True)
class Head:
    """A FROM whose words were expanded: `known` are the names that may stand in them."""

    stage: Stage
    base: Expansion
    platform: Expansion | None
    known: frozenset[str]


@dataclass(frozen=True, slots=True)
class BaseFound:
    """The image that a stage begins with, what it is for, and what it is asked to be for."""

    stage: Stage
    name: str
    platform: Platform
    wanted: Platform


@dataclass(frozen=True, slots=True)
class Evaluated:
    """An instruction that was evaluated in `stage`, which begins where stage number `below` ended.

    `words` gives what each word of it became, `unset` the variables in them that nobody had set or declared, `known`
    those that were set, where one of them may have been meant; `shelled` says that the stage has a shell of its own.
    """

    stage: Stage
    below: int | None
    instruction: Instruction
    shelled: bool
    words: Mapping[str, str]
    unset: frozenset[str]
    known: frozenset[str]


@dataclass(slots=True)
class Trace:
    """All of it, in the order in which it was seen."""

    scope: dict[str, str] = field(default_factory=dict[str, str])
    """The global scope without the arguments of the call."""
    scoped: bool = False
    """Whether there is one: the default of an ARG may be none."""
    heads: list[Head] = field(default_factory=list[Head])
    bases: list[BaseFound] = field(default_factory=list[BaseFound])
    evaluated: list[Evaluated] = field(default_factory=list[Evaluated])
    _guessed: int = 0

    @contextmanager
    def watching(self, state: StageState, below: int | None, instruction: Instruction) -> Generator[None, None, None]:
        """Notes what an instruction that is evaluated inside came to."""
        state.expanded, state.unset = {}, set()
        shelled = bool(state.config.shell)
        yield
        words, unset = state.expanded, frozenset(state.unset)
        known = frozenset(state.variables) if unset and self._guessed < _GUESSES else frozenset[str]()
        self._guessed += bool(unset)
        self.evaluated.append(Evaluated(state.stage, below, instruction, shelled, words, unset, known))
