"""The graph of a build: steps that make trees, on chains of earlier steps, below them images or nothing.

A step knows everything that it does, with every variable expanded; what it is done *to* are the trees of its
chain and sources, known only when those are solved. Steps are numbered in topological order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lading.build.graph.image_config import Config
from lading.build.graph.steps.chain import Chain, WantedImage
from lading.build.graph.steps.step import StageLine, Step
from lading.store.fastclass import dataclass, replace


@dataclass(frozen=True, slots=True)
class Graph:
    """Everything that has to be solved for `chain`, whose image `config` describes.

    `shown` are the build arguments whose values the history of the image shows; `lines` are all instructions of
    the stages that take part. Of graphs that were `joined` all have all steps.
    """

    steps: tuple[Step, ...]
    chain: Chain
    config: Config
    lines: tuple[StageLine, ...]
    shown: Mapping[str, str]

    @property
    def images(self) -> tuple[WantedImage, ...]:
        """The images it begins with or copies from, in the order of their first use."""
        chains = [chain for step in self.needed for chain in step.chains]
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
        return needed((self,))


def needed(graphs: Sequence[Graph]) -> tuple[Step, ...]:
    """The steps that the images of graphs with the same steps need together, in order."""
    steps = graphs[0].steps
    wanted = {number for graph in graphs for number in graph.chain.steps}
    for step in reversed(steps):
        if step.number in wanted:
            wanted.update(number for chain in step.chains for number in chain.steps)
    return tuple(step for step in steps if step.number in wanted)


def joined(graphs: Sequence[Graph]) -> tuple[Graph, ...]:
    """The graphs of one Dockerfile and one context with their steps together: what several have is one step of all."""
    if len(graphs) == 1:
        return tuple(graphs)
    steps: list[Step] = []
    known: dict[Step, int] = {}
    renumbered = [_renumbered(graph, _joining(graph, steps, known)) for graph in graphs]
    return tuple(replace(graph, steps=tuple(steps)) for graph in renumbered)


def _joining(graph: Graph, steps: list[Step], known: dict[Step, int]) -> dict[int, int]:
    """Adds the steps of `graph` that are not `known`; the number that each has now."""
    numbers: dict[int, int] = {}
    for step in graph.steps:
        same = step.renumbered(numbers, -1)
        if same not in known:
            known[same] = len(steps)
            steps.append(replace(same, number=len(steps)))
        numbers[step.number] = known[same]
    return numbers


def _renumbered(graph: Graph, numbers: Mapping[int, int]) -> Graph:
    config = graph.config.copy()
    config.triggers, config.cmd_is_own = graph.config.triggers, graph.config.cmd_is_own
    config.history = [
        entry if entry.step is None else replace(entry, step=numbers[entry.step]) for entry in config.history
    ]
    lines = tuple(line if line.step is None else replace(line, step=numbers[line.step]) for line in graph.lines)
    return replace(graph, chain=graph.chain.renumbered(numbers), config=config, lines=lines)
