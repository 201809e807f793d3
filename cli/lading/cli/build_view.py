"""How a build is shown: a line a step at a terminal, plain lines, or JSON."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal

from lading.cli.output import Output, escape, size

if TYPE_CHECKING:
    from lading.build.graph import Step
    from lading.build.request import Listener, StepReport


class Progress(StrEnum):
    """The forms."""

    auto = "auto"
    tty = "tty"
    plain = "plain"
    json = "json"


_LONGEST: Final = 16 << 10
"""Bytes of an unfinished line that are kept before they are shown as a line of their own."""


@contextmanager
def view_for(progress: Progress, output: Output, *, quiet: bool) -> Generator[Listener, None, None]:
    """The listener that suits what was asked for and where standard error goes."""
    if progress is Progress.auto:
        progress = Progress.tty if sys.stderr.isatty() else Progress.plain
    if quiet:
        yield _Quiet(output)
    elif progress is Progress.json:
        yield _Json()
    elif progress is Progress.plain:
        plain = _Plain(output)
        try:
            yield plain
        finally:
            plain.end()
    else:
        with _Terminal(output) as view:
            yield view


class _Quiet:
    """Warnings alone."""

    def __init__(self, output: Output) -> None:
        self.output = output

    def planned(self, steps: tuple[Step, ...]) -> None:
        del steps

    def started(self, step: Step) -> None:
        del step

    def wrote(self, step: Step, data: bytes, stream: Literal["stdout", "stderr"]) -> None:
        del step, data, stream

    def finished(self, report: StepReport) -> None:
        del report

    def warned(self, text: str) -> None:
        self.output.warn(escape(text))


def _title(step: Step) -> str:
    stage = f"{step.stage} " if step.stage else ""
    return escape(f"{stage}{step.text}")


def _outcome(report: StepReport) -> str:
    if report.cached:
        return "cached"
    amount = f", {size(report.size)}" if report.size else ""
    return f"{report.seconds:.1f}s{amount}"


class _Plain(_Quiet):
    """A line when a step begins, each line it writes, and a line when it ends."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self._lock = threading.Lock()
        self._rest: dict[int, bytes] = {}

    def started(self, step: Step) -> None:
        self._line(f"#{step.number} {_title(step)}")

    def wrote(self, step: Step, data: bytes, stream: Literal["stdout", "stderr"]) -> None:
        del stream
        with self._lock:
            *lines, rest = (self._rest.pop(step.number, b"") + data).split(b"\n")
            if len(rest) > _LONGEST:
                lines, rest = [*lines, rest], b""
            self._rest[step.number] = rest
        for line in lines:
            self._line(f"#{step.number} | {escape(line.decode('utf-8', 'replace'))}")

    def end(self) -> None:
        """Shows the unfinished last lines of all steps."""
        with self._lock:
            rests = {number: rest for number, rest in self._rest.items() if rest}
            self._rest.clear()
        for number, rest in rests.items():
            self._line(f"#{number} | {escape(rest.decode('utf-8', 'replace'))}")

    def finished(self, report: StepReport) -> None:
        self.end()
        if report.cached:
            self._line(f"#{report.step.number} {_title(report.step)}: cached")
        else:
            self._line(f"#{report.step.number} done in {_outcome(report)}")

    def _line(self, text: str) -> None:
        self.output.note(text)


class _Json(_Quiet):
    """A JSON object a line."""

    def __init__(self) -> None:
        super().__init__(Output(False))

    def planned(self, steps: tuple[Step, ...]) -> None:
        _say({"event": "planned", "steps": len(steps)})

    def started(self, step: Step) -> None:
        _say({"event": "started", "step": step.number, "stage": step.stage, "text": step.text})

    def wrote(self, step: Step, data: bytes, stream: Literal["stdout", "stderr"]) -> None:
        _say({"event": "output", "step": step.number, "stream": stream, "data": data.decode("utf-8", "replace")})

    def finished(self, report: StepReport) -> None:
        _say(
            {
                "event": "finished",
                "step": report.step.number,
                "text": report.step.text,
                "cached": report.cached,
                "seconds": round(report.seconds, 3),
                "size": report.size,
            }
        )

    def warned(self, text: str) -> None:
        _say({"event": "warning", "text": text})


def _say(value: dict[str, object]) -> None:
    sys.stderr.write(f"{json.dumps(value)}\n")
    sys.stderr.flush()


class _Terminal(_Plain):
    """One line a step that is redrawn while it runs; what a step writes scrolls by above it."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self._running: dict[int, tuple[Step, float]] = {}
        self._done = threading.Event()
        self._draw_lock = threading.Lock()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> _Terminal:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self.end()
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()

    def started(self, step: Step) -> None:
        self._running[step.number] = (step, time.monotonic())

    def finished(self, report: StepReport) -> None:
        self._running.pop(report.step.number, None)
        self.end()
        mark = self.output.style("✓", "green")
        self._line(f"{mark} {_title(report.step)}  {self.output.style(_outcome(report), 'dim')}")

    def _line(self, text: str) -> None:
        with self._draw_lock:
            sys.stderr.write(f"\r\x1b[K{text}\n")
            sys.stderr.flush()

    def _tick(self) -> None:
        import shutil  # noqa: PLC0415

        while not self._done.wait(0.1):
            running = list(self._running.values())
            if not running:
                continue
            step, since = running[-1]
            width = shutil.get_terminal_size().columns
            line = f"… {_title(step)}  {time.monotonic() - since:.1f}s"[: width - 1]
            with self._draw_lock:
                sys.stderr.write(f"\r\x1b[K{line}")
                sys.stderr.flush()
