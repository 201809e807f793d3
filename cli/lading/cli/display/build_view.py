"""How a build is shown: rows at a terminal, plain lines, JSON, or nothing until a step fails.

A step has one line, written as in the Dockerfile: ``[3/5] deps  RUN python3 -m venv /ven…   12.3s``. At a terminal
the last lines of its output stand below it while it runs, fewer where several do, and are gone when it succeeded; all
of it is shown when it fails. What is shown comes from the threads that solve the steps.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal

from lading.cli.display.output import Output, escape, log_line, size
from lading.cli.display.progress_display import ProgressKind, chosen, emit
from lading.store.errors import LadingError

if TYPE_CHECKING:
    from rich.text import Text

    from lading.build.graph.request import Listener, StepReport
    from lading.build.graph.steps.step import Step

_LONGEST: Final = 16 << 10
"""Bytes of an unfinished line that are kept before they are shown as a line of their own."""

_IN_MEMORY: Final = 1 << 20
"""Bytes of a step's output that are kept in memory; more goes to a file without a name."""

_TAIL: Final = 5
"""Lines of output below the steps that run, together: a step that has none of its own is a row."""


@contextmanager
def view_for(
    form: ProgressKind, output: Output, *, quiet: bool, several: bool = False
) -> Generator[Listener, None, None]:
    """The listener that suits what was asked for and where standard error goes; `several` builds name their stages."""
    view: BuildView
    match ProgressKind.auto if quiet else chosen(form, output):
        case ProgressKind.auto:
            view = BuildView(output)
        case ProgressKind.json:
            view = _Json(output)
        case ProgressKind.tty:
            view = _Terminal(output)
        case _:
            view = _Plain(output)
    view.several = several
    try:
        yield view
    except LadingError:
        view.failed()
        raise
    finally:
        view.end()


class _Running:
    """A step under way: since when, and what it wrote."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.begun = time.monotonic()
        self.tail: deque[str] = deque(maxlen=_TAIL)
        self._log = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._rest = b""

    @property
    def seconds(self) -> str:
        """How long it runs."""
        return f"{time.monotonic() - self.begun:.1f}s"

    def add(self, data: bytes) -> list[str]:
        """More output; the lines that it ends."""
        self._log.write(data)
        *lines, rest = (self._rest + data).split(b"\n")
        if len(rest) > _LONGEST:
            lines, rest = [*lines, rest], b""
        self._rest = rest
        found = [_shown(line) for line in lines]
        self.tail.extend(found)
        return found

    def rest(self) -> list[str]:
        """The unfinished last line, if there is one."""
        rest, self._rest = self._rest, b""
        return [_shown(rest)] if rest else []

    def everything(self) -> Iterator[str]:
        """All lines, when no more come."""
        self._log.seek(0)
        while line := self._log.readline(_LONGEST):
            yield _shown(line.rstrip(b"\n"))


def _shown(line: bytes) -> str:
    return log_line(line.decode("utf-8", "replace"))


class BuildView:
    """Warnings, and a step that fails, with all that it wrote: what `-q` shows."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.lock = threading.Lock()
        self.running: dict[int, _Running] = {}
        self._places: dict[int, str] = {}
        self.several = self.foreign = False

    def planned(self, steps: tuple[Step, ...]) -> None:
        """These steps will be solved."""
        width = len(str(len(steps)))
        self._places.update({step.number: f"[{at:>{width}}/{len(steps)}]" for at, step in enumerate(steps, 1)})
        self.several |= len({step.stage for step in steps}) > 1
        self.foreign |= len({step.platform for step in steps if step.platform}) > 1

    def started(self, step: Step) -> None:
        """A step is executed."""
        self.running[step.number] = _Running(self.title(step))

    def wrote(self, step: Step, data: bytes, stream: Literal["stdout", "stderr"]) -> None:
        """A step wrote something."""
        del stream
        with self.lock:
            lines = self.running[step.number].add(data)
        self.show(step, lines)

    def show(self, step: Step, lines: list[str]) -> None:
        """New lines of a step's output."""

    def finished(self, report: StepReport) -> None:
        """A step is solved."""
        self.running.pop(report.step.number, None)

    def missed(self, step: Step, why: tuple[str, ...]) -> None:
        """Why a step is executed."""
        for line in why:
            self.output.note(escape(f"{self.place(step)} why: {line}"))

    def halted(self, step: Step) -> None:
        """A step is ended with the build."""
        self.running.pop(step.number, None)

    def warned(self, text: str) -> None:
        """Something the user should know."""
        self.output.warn(text)

    def failed(self) -> None:
        """The build ends with an error: the step that failed, and all that it wrote."""
        for run in self.running.values():
            self.say_failed(run)
            for line in run.everything():
                self.output.note(f"  | {line}")

    def say_failed(self, run: _Running) -> None:
        """The line of a step that failed."""
        if not self.output.moves:
            self.output.note(f"{run.title}  {self.output.style('failed', 'red')}  {run.seconds}")
            return
        from rich.text import Text  # noqa: PLC0415

        from lading.cli.display.screen import fit  # noqa: PLC0415

        screen = self.output.screen
        screen.keep(fit(Text(run.title), f"failed  {run.seconds}", screen.width, "red"))

    def end(self) -> None:
        """Nothing more will come."""

    def place(self, step: Step) -> str:
        """Where it stands among the others."""
        return self._places.get(step.number, f"[{step.number}]")

    def title(self, step: Step) -> str:
        """A step in a line."""
        stage = f"{step.stage}  " if self.several else ""
        platform = f"{step.platform}  " if self.foreign and step.platform else ""
        return escape(f"{self.place(step)} {platform}{stage}{step.written}")


def _outcome(report: StepReport) -> str:
    if report.cached:
        return "cached"
    amount = f"{size(report.size)}  " if report.size else ""
    return f"{amount}{report.seconds:.1f}s"


class _Plain(BuildView):
    """A line when a step begins, each line it writes, and a line when it ends."""

    def started(self, step: Step) -> None:
        super().started(step)
        self.output.note(self.title(step))

    def show(self, step: Step, lines: list[str]) -> None:
        for line in lines:
            self.output.note(f"{self.place(step)} | {line}")

    def finished(self, report: StepReport) -> None:
        step = report.step
        run = self.running.pop(step.number, None)
        if run is None:
            self.output.note(f"{self.title(step)}  {_outcome(report)}")
        else:
            self.show(step, run.rest())
            self.output.note(f"{self.place(step)} done  {_outcome(report)}")

    def halted(self, step: Step) -> None:
        run = self.running.pop(step.number)
        self.show(step, run.rest())
        self.output.note(f"{self.place(step)} ended  {run.seconds}")

    def failed(self) -> None:
        for run in self.running.values():
            for line in run.rest():
                self.output.note(f"  | {line}")
            self.say_failed(run)


class _Json(BuildView):
    """A JSON object a line."""

    def planned(self, steps: tuple[Step, ...]) -> None:
        emit("planned", steps=len(steps))

    def started(self, step: Step) -> None:
        emit("started", step=step.number, stage=step.stage, text=step.text)

    def wrote(self, step: Step, data: bytes, stream: Literal["stdout", "stderr"]) -> None:
        emit("output", step=step.number, stream=stream, data=data.decode("utf-8", "replace"))

    def finished(self, report: StepReport) -> None:
        emit(
            "finished",
            step=report.step.number,
            stage=report.step.stage,
            text=report.step.text,
            cached=report.cached,
            seconds=round(report.seconds, 3),
            size=report.size,
        )

    def missed(self, step: Step, why: tuple[str, ...]) -> None:
        emit("why", step=step.number, why=list(why))

    def halted(self, step: Step) -> None:
        emit("ended", step=step.number)

    def warned(self, text: str) -> None:
        from lading.cli.display.remedies import notice_of  # noqa: PLC0415 - only where something is to be said

        emit("warning", text=notice_of(text))


class _Terminal(BuildView):
    """A row a step while it runs, with the end of its output; one line when it is done."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self._screen = output.screen
        self._rows: dict[int, _Row] = {}

    def started(self, step: Step) -> None:
        super().started(step)
        row = self._rows[step.number] = _Row(self, self.running[step.number])
        self._screen.add(row)

    def finished(self, report: StepReport) -> None:
        super().finished(report)
        self._leave(report.step, _outcome(report))

    def halted(self, step: Step) -> None:
        seconds = self.running[step.number].seconds
        super().halted(step)
        self._leave(step, f"ended  {seconds}")

    def _leave(self, step: Step, outcome: str) -> None:
        from rich.text import Text  # noqa: PLC0415

        from lading.cli.display.screen import fit  # noqa: PLC0415

        line = fit(Text(self.title(step)), outcome, self._screen.width)
        row = self._rows.pop(step.number, None)
        if row is None:
            self._screen.keep(line)
        else:
            self._screen.remove(row, line)

    def failed(self) -> None:
        self._screen.end()
        super().failed()

    def end(self) -> None:
        self._screen.end()


class _Row:
    """A step that runs."""

    def __init__(self, view: BuildView, run: _Running) -> None:
        self._view = view
        self._run = run

    def draw(self, width: int) -> list[Text]:
        from rich.text import Text  # noqa: PLC0415

        from lading.cli.display.screen import fit  # noqa: PLC0415

        with self._view.lock:
            lines = _TAIL // max(len(self._view.running), 1)
            tail = list(self._run.tail)[-lines:] if lines else []
        title = fit(Text(self._run.title, "bold"), self._run.seconds, width)
        return [title, *(fit(Text(f"  | {line}", "dim"), "", width) for line in tail)]
