"""What the rules look at, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from lading.build.convert.trace import Trace
from lading.build.dockerfile.ignore import Ignore
from lading.build.dockerfile.instructions import Dockerfile, Instruction, Stage
from lading.build.dockerfile.parser import InstructionNode, ParsedDockerfile
from lading.build.errors import Place
from lading.store.fastclass import dataclass


@dataclass(frozen=True, slots=True)
class Remark:
    """What a rule says of a place; `node` is the instruction whose own comment may silence it."""

    place: Place
    message: str
    node: InstructionNode | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """A Dockerfile: its nodes as far as they could be read, itself where all could, and what its evaluation showed.

    `ignored` gives the patterns of the ignore file.
    """

    source: ParsedDockerfile
    nodes: Mapping[Place, InstructionNode]
    dockerfile: Dockerfile | None
    trace: Trace
    ignored: Callable[[], Ignore]

    def node(self, instruction: Instruction | Stage) -> InstructionNode | None:
        """As which node something is written; None for what an image below has kept for later."""
        place = instruction.head.place if isinstance(instruction, Stage) else instruction.place
        kind = "from" if isinstance(instruction, Stage) else _word(instruction)
        found = self.nodes.get(place)
        return found if found and found.word.lower() == kind else None


def _word(instruction: Instruction) -> str:
    return getattr(instruction, "word", type(instruction).__name__).lower()


Rule: TypeAlias = Callable[[Subject], Iterator[Remark]]
"""Looks at a subject, and says what it sees."""
