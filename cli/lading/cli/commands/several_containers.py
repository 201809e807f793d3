"""One thing done to several containers: side by side, and one that is missing stops nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from lading.store.errors import LadingError, UsageError

if TYPE_CHECKING:
    from lading.cli.cli_session import CliSession
    from lading.runtime.runtime import Runtime

_SIDE_BY_SIDE: Final = threading.Semaphore(50)


def side_by_side(
    session: CliSession, names: Sequence[str], work: Callable[[Runtime, str], object], *, absent_is_fine: bool = False
) -> int:
    """Does `work` on every container; the exit code.

    What it answers (None: the name) is printed in the order given, an error where it fails. The threads are daemons:
    an interrupt waits for none of them.
    """
    runtime = session.host.runtime
    tasks = [_Task(partial(work, runtime, name)) for name in dict.fromkeys(names)]
    code = 0
    for name, task in zip(dict.fromkeys(names), tasks, strict=True):
        task.join()
        if task.error is None:
            session.output.result(name if task.answer is None else str(task.answer))
        elif isinstance(task.error, LadingError) and not isinstance(task.error, UsageError):
            session.output.error(task.error)
            code = code if absent_is_fine and _absent(task.error) else 1
        else:
            raise task.error
    return code


class _Task(threading.Thread):
    """A call in a thread of its own, begun at once."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self.answer: object = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            with _SIDE_BY_SIDE:
                self.answer = self._call()
        except BaseException as error:  # raised or told in the caller's thread
            self.error = error


def _absent(error: LadingError) -> bool:
    from lading.runtime.containers.records import NoSuchContainerError  # noqa: PLC0415 - only where something failed

    return isinstance(error, NoSuchContainerError)
