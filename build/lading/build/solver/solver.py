"""Solves a graph: every step that an image needs is found in the cache or executed.

What a step depends on, and how it is executed, its action says. Steps are solved in topological order,
and `jobs` of them at once where they do not stand on each other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from lading.build.graph.action import Action, ActionCache
from lading.build.graph.graph import Graph, Step
from lading.build.graph.request import BuildEnvironment, StepReport
from lading.build.graph.state import SolvedStep, SolveState
from lading.build.solver.local_cache import one_builder
from lading.store.fastclass import dataclass


@dataclass(frozen=True, slots=True)
class Solver:
    """Solves the steps of one graph into `solved`; `again` executes them whatever is cached.

    `action` gives the action of a step as soon as all that the step stands on is solved.
    """

    environment: BuildEnvironment
    cache: ActionCache
    solved: SolveState
    action: Callable[[Step], Action]
    again: bool = False
    jobs: int = 1

    def solve(self, graph: Graph) -> None:
        """Raises what the first step that fails raises; what was solved until then stays in the cache."""
        needed = graph.needed
        self.environment.listener.planned(needed)
        if self.jobs > 1:
            self._solve_together(needed)
            return
        for step in needed:
            self._solve(step)

    def _solve_together(self, steps: Sequence[Step]) -> None:
        """A step waits for those that it stands on: they came before it, so one that can go on always does."""
        futures: dict[int, Future[None]] = {}

        def solve(step: Step) -> None:
            for number in (number for chain in step.chains for number in chain.steps):
                futures[number].result()
            self._solve(step)

        with ThreadPoolExecutor(self.jobs) as pool:
            try:
                for step in steps:
                    futures[step.number] = pool.submit(solve, step)
                for future in futures.values():
                    future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _solve(self, step: Step) -> None:
        begun = time.monotonic()
        action = self.action(step)
        key = action.key
        with one_builder(self.environment.store.root, key):
            result = None if self.again else self.cache.find(key)
            cached = result is not None
            if result is None:
                self.environment.started(step)
                result = action.execute()
                self.cache.keep(key, result)
        size = result.layer.descriptor.size if result.layer else None
        report = StepReport(step, cached, time.monotonic() - begun, size)
        self.solved.steps[step.number] = SolvedStep(key, action.materials, result, report)
        self.environment.listener.finished(report)
