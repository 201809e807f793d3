"""Steps that this machine cannot execute: said before anything is, unless they need not be."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lading.build.errors import DockerfileError
from lading.build.graph.action import Action, ActionCache
from lading.build.graph.graph import Graph, needed
from lading.build.graph.request import BuildEnvironment, StepReport
from lading.build.graph.solve_state import SolvedStep, SolveState
from lading.build.graph.steps.step import Step
from lading.store.errors import MachineError
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Platform


@dataclass(frozen=True, slots=True)
class ForeignSteps:
    """Those of one build; `action` and `again` are the solver's."""

    environment: BuildEnvironment
    cache: ActionCache
    solved: SolveState
    action: Callable[[Step], Action]
    again: Callable[[Step], str | None]

    def require(self, graphs: Sequence[Graph]) -> None:
        """Raises `DockerfileError` for the first step that would have to be executed and cannot be."""
        steps = needed(graphs)
        lacking = {platform: error for platform in _platforms(steps) if (error := self._lacking(platform))}
        if not lacking:
            return
        for step in steps:
            if all(number in self.solved.steps for number in graphs[0].stands_on(step)):
                self._find(step)
        for step in steps:
            if step.platform in lacking and step.number not in self.solved.steps:
                error = lacking[step.platform]
                word = f"RUN of {step.platform} needs an emulator: {error.message}"
                raise DockerfileError(step.place, word, hint=error.hint)

    def _lacking(self, platform: Platform) -> MachineError | None:
        try:
            self.environment.emulator(platform)
        except MachineError as error:
            return error
        return None

    def _find(self, step: Step) -> None:
        """Notes a step as solved that a cache has."""
        action = self.action(step)
        found = None if self.again(step) else self.cache.find(action.key)
        if found is not None:
            report = StepReport(step, True, 0)
            self.solved.steps[step.number] = SolvedStep(action.key, action.materials, found, report)


def _platforms(steps: Sequence[Step]) -> tuple[Platform, ...]:
    return tuple(dict.fromkeys(step.platform for step in steps if step.platform is not None))
