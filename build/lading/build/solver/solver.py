"""Solves graphs: every step that an image needs is found in the cache or executed.

What a step depends on, and how it is executed, its action says. Steps that do not stand on each other are solved side
by side, `jobs` of them at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

from lading.build.graph.action import Action, ActionCache, ActionResult
from lading.build.graph.graph import Graph, needed
from lading.build.graph.request import BuildEnvironment, StepReport
from lading.build.graph.solve_state import SolvedStep, SolveState
from lading.build.graph.steps.step import Step
from lading.build.solver.foreign_steps import ForeignSteps
from lading.build.solver.local_cache import one_builder
from lading.build.solver.records import StepRecords
from lading.build.solver.worker_threads import WorkerThreads
from lading.store.fastclass import dataclass

Again: TypeAlias = Callable[[Step], str | None]
"""Why a step has to be executed whatever is cached; None where it need not be."""


def never(step: Step) -> str | None:
    """No step has to be executed again."""
    del step
    return None


@dataclass(frozen=True, slots=True)
class Solver:
    """Solves the steps of graphs that are joined into `solved`.

    `action` gives the action of a step as soon as all that the step stands on is solved; it is called in any thread.
    `records` keep what executed steps were given; with `why` the listener is told of it what was other than before.
    """

    environment: BuildEnvironment
    cache: ActionCache
    solved: SolveState
    action: Callable[[Step], Action]
    records: StepRecords
    again: Again = never
    jobs: int = 1
    why: bool = False

    def solve(self, *graphs: Graph) -> None:
        """Solves graphs with the same steps.

        Raises what the first step that fails raises; what was solved until then stays in the cache.
        """
        wanted, steps = needed(graphs), graphs[0].steps
        ForeignSteps(self.environment, self.cache, self.solved, self.action, self.again).require(graphs)
        self.environment.listener.planned(wanted)
        before = {step.number: tuple(graphs[0].stands_on(step)) for step in wanted}

        def solve(number: int) -> None:
            self._solve(graphs, steps[number], crew)

        crew = WorkerThreads(solve, before, self.jobs, self.solved.halt)
        crew.run()

    def _solve(self, graphs: Sequence[Graph], step: Step, crew: WorkerThreads) -> None:
        begun = time.monotonic()
        action = self.action(step)
        key = action.key
        with one_builder(self.environment.store.root, key, self.solved.halt):
            again = None if self._done_before(key) else self.again(step)
            result = None if again else self.cache.find(key)
            cached = result is not None
            if result is None:
                with self._turn():
                    result = self._execute(graphs, step, action, crew, again)
                with self.environment.store.index.transaction():
                    self.cache.keep(key, result)
                    self.records.note(graphs[0], step, action)
                if self.environment.together is not None:
                    self.environment.together.note(key)
        size = result.layer.descriptor.size if result.layer else None
        report = StepReport(step, cached, time.monotonic() - begun, size)
        self.solved.steps[step.number] = SolvedStep(key, action.materials, result, report)
        self.environment.listener.finished(report)

    def _done_before(self, key: str) -> bool:
        """Whether another build of this call executed it."""
        together = self.environment.together
        return together is not None and together.executed(key)

    def _turn(self) -> AbstractContextManager[None]:
        together = self.environment.together
        return nullcontext() if together is None else together.turn()

    def _execute(
        self, graphs: Sequence[Graph], step: Step, action: Action, crew: WorkerThreads, again: str | None
    ) -> ActionResult:
        self.environment.started(step)
        crew.widen()
        if self.why:
            told = (again,) if again else self.records.why(graphs[0], step, action, self._makers(graphs))
            self.environment.listener.missed(step, told)
        try:
            return action.execute()
        except BaseException as error:
            if self.solved.halt.given() or not isinstance(error, Exception):
                self.environment.listener.halted(step)
            raise

    def _makers(self, graphs: Sequence[Graph]) -> dict[str, str]:
        """The steps that are solved, by the tree that each made."""
        found = ((at, step, self.solved.steps.get(step.number)) for at, step in enumerate(needed(graphs), 1))
        return {
            str(one.result.layer.tree): f"step {at} ({step.written})"
            for at, step, one in found
            if one and one.result.layer
        }
