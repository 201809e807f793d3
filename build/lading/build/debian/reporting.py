"""Tells a build's listener of the parts of a package set as if they were steps."""

from __future__ import annotations

import time
from collections.abc import Sequence

from lading.build.debian.packages import DERIVED, ImagePart, SolvedPart
from lading.build.errors import Place
from lading.build.graph.graph import Chain, Step, UnpackOp
from lading.build.graph.request import BuildEnvironment, StepReport


class Reporter:
    """A step a part, numbered as the layers are. Its methods may be called from any thread."""

    def __init__(self, environment: BuildEnvironment, file: str, parts: Sequence[ImagePart]) -> None:
        self._environment = environment
        self._steps = {part: _step(number, part, file) for number, part in enumerate((*parts, DERIVED))}
        self._begun: dict[ImagePart, float] = {}
        self._reports: dict[ImagePart, StepReport] = {}
        environment.listener.planned(tuple(self._steps.values()))

    def begun(self, part: ImagePart) -> None:
        """A part is made: it was not in the cache."""
        self._begun[part] = time.monotonic()
        self._environment.started(self._steps[part])

    def done(self, solved: SolvedPart) -> None:
        """A part is there."""
        part = solved.part
        seconds = 0.0 if solved.cached else time.monotonic() - self._begun[part]
        size = None if solved.cached else solved.layer.descriptor.size
        report = StepReport(self._steps[part], solved.cached, seconds, size)
        self._reports[part] = report
        self._environment.listener.finished(report)

    @property
    def reports(self) -> tuple[StepReport, ...]:
        """Of all parts that are done, in the order of their numbers."""
        return tuple(self._reports[part] for part in self._steps if part in self._reports)


def _step(number: int, part: ImagePart, file: str) -> Step:
    names = tuple(package.name for package in part.packages)
    text = f"{part.command[0]} {part.name}"
    return Step(number, "", Place(file, 1, 1), UnpackOp(names), Chain(), text, part.command, text)
