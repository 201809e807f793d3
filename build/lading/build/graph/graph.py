"""The graph of a build: steps that make trees, on chains of earlier steps, below them images or nothing.

A step knows everything that it does, with every variable expanded; what it is done *to* are the trees of its
chain and sources, known only when those are solved. Steps are numbered in topological order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lading.build.graph.image_config import Config
from lading.build.graph.steps.chain import Chain
from lading.build.graph.steps.step import StageLine, Step
from lading.store.fastclass import dataclass


@dataclass(frozen=True, slots=True)
class Graph:
    """Everything that has to be solved for `chain`, whose image `config` describes.

    `shown` are the build arguments whose values the history of the image shows; `lines` are all instructions of
    the stages that take part.
    """

    steps: tuple[Step, ...]
    chain: Chain
    config: Config
    lines: tuple[StageLine, ...]
    shown: Mapping[str, str]

    @property
    def images(self) -> tuple[str, ...]:
        """The images it begins with or copies from, in the order of their first use."""
        chains = [chain for step in self.steps for chain in step.chains]
        return tuple(dict.fromkeys(chain.image for chain in (*chains, self.chain) if chain.image is not None))

    def stands_on(self, step: Step) -> Iterator[int]:
        """The steps that have to be solved before `step`, without those that the last of a chain stands on anyway."""
        for chain in step.chains:
            if chain.steps:
                ground = self.steps[chain.steps[-1]].ground
                yield from chain.steps[-1:] if ground.steps == chain.steps[:-1] else chain.steps

    @property
    def needed(self) -> tuple[Step, ...]:
        """The steps that the image needs, in order."""
        wanted: set[int] = set(self.chain.steps)
        for step in reversed(self.steps):
            if step.number in wanted:
                wanted.update(number for chain in step.chains for number in chain.steps)
        return tuple(step for step in self.steps if step.number in wanted)
