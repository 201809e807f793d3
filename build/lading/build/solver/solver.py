"""Solves a graph: every step that an image needs is found in the cache or executed.

What a step depends on, and how it is executed, its action says. Steps that do not stand on each other are solved side
by side, `jobs` of them at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from lading.build.graph.action import Action, ActionCache, ActionResult
from lading.build.graph.graph import Graph, Step
from lading.build.graph.request import BuildEnvironment, StepReport
from lading.build.graph.state import SolvedStep, SolveState
from lading.build.solver.crew import Crew
from lading.build.solver.local_cache import one_builder
from lading.store.fastclass import dataclass


@dataclass(frozen=True, slots=True)
class Solver:
    """Solves the steps of one graph into `solved`; `again` executes them whatever is cached.

    `action` gives the action of a step as soon as all that the step stands on is solved; it is called in any thread.
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
        before = {step.number: tuple(graph.stands_on(step)) for step in needed}

        def solve(number: int) -> None:
            self._solve(graph.steps[number], crew)

        crew = Crew(solve, before, self.jobs, self.solved.halt)
        crew.run()

    def _solve(self, step: Step, crew: Crew) -> None:
        begun = time.monotonic()
        action = self.action(step)
        key = action.key
        with one_builder(self.environment.store.root, key, self.solved.halt):
            result = None if self.again else self.cache.find(key)
            cached = result is not None
            if result is None:
                result = self._execute(step, action, crew)
                self.cache.keep(key, result)
        size = result.layer.descriptor.size if result.layer else None
        report = StepReport(step, cached, time.monotonic() - begun, size)
        self.solved.steps[step.number] = SolvedStep(key, action.materials, result, report)
        self.environment.listener.finished(report)

    def _execute(self, step: Step, action: Action, crew: Crew) -> ActionResult:
        self.environment.started(step)
        crew.widen()
        try:
            return action.execute()
        except BaseException as error:
            if self.solved.halt.given() or not isinstance(error, Exception):
                self.environment.listener.halted(step)
            raise
