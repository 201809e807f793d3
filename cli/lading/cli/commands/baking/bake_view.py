"""How several builds of one call are shown: one view, in which a step says whose it is."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Literal

from lading.cli.display.build_view import view_for
from lading.store.fastclass import replace

if TYPE_CHECKING:
    from lading.build.graph.request import Listener, StepReport
    from lading.build.graph.steps.step import Step
    from lading.cli.display.output import Output
    from lading.cli.display.progress_display import ProgressKind


class BakeView:
    """The view that all builds share. Steps are numbered through."""

    def __init__(self, view: Listener, *, several: bool) -> None:
        self.view, self.several = view, several
        self.lock = Lock()
        self._next = 0

    @classmethod
    @contextmanager
    def opened(
        cls, form: ProgressKind, output: Output, *, quiet: bool, several: bool = False
    ) -> Generator[BakeView, None, None]:
        """As `view_for`."""
        with view_for(form, output, quiet=quiet, several=several) as view:
            yield cls(view, several=several)

    def of(self, name: str) -> Listener:
        """What listens to the build of one target."""
        return _TargetListener(self, name if self.several else "")

    def numbers(self, count: int) -> int:
        """So many more steps: what to add to their numbers."""
        with self.lock:
            self._next += count
            return self._next - count


class _TargetListener:
    """A `Listener` that says of each step whose it is."""

    def __init__(self, shared: BakeView, name: str) -> None:
        self._shared, self._name, self._offset = shared, name, 0
        self._stages = False

    def planned(self, steps: tuple[Step, ...]) -> None:
        self._stages = len({step.stage for step in steps}) > 1
        self._offset = self._shared.numbers(max((step.number for step in steps), default=0) + 1)
        with self._shared.lock:
            self._shared.view.planned(tuple(map(self._own, steps)))

    def _own(self, step: Step) -> Step:
        stage = f"{self._name}/{step.stage}" if self._name and self._stages else self._name or step.stage
        return replace(step, number=step.number + self._offset, stage=stage)

    def started(self, step: Step) -> None:
        self._shared.view.started(self._own(step))

    def wrote(self, step: Step, data: bytes, stream: Literal["stdout", "stderr"]) -> None:
        self._shared.view.wrote(self._own(step), data, stream)

    def finished(self, report: StepReport) -> None:
        self._shared.view.finished(replace(report, step=self._own(report.step)))

    def missed(self, step: Step, why: tuple[str, ...]) -> None:
        self._shared.view.missed(self._own(step), why)

    def halted(self, step: Step) -> None:
        self._shared.view.halted(self._own(step))

    def warned(self, text: str) -> None:
        self._shared.view.warned(f"{self._name}: {text}" if self._name else text)
