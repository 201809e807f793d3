"""The border of a component that works with the machine: what the system refuses leaves it as `MachineError`.

The methods that others call are marked with `border`, so nothing inside need think of it; a block that is about one
file names it with `machine_errors`. A reader that has gone is the caller's own affair (`BrokenPipeError`), and errors
of Lading pass as they are.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from lading.store.errors import MachineError

if TYPE_CHECKING:
    from pathlib import Path

_P = ParamSpec("_P")
_T = TypeVar("_T")


@contextmanager
def machine_errors(path: Path) -> Generator[None, None, None]:
    """A full disk, a missing permission and the like as `MachineError`, in one line that names `path`."""
    try:
        yield
    except OSError as error:
        raise MachineError(f"{path}: {reason(error)}") from error


def border(method: Callable[_P, _T]) -> Callable[_P, _T]:
    """The same, but for `OSError`, which is told in one line that names the file where there is one."""

    @wraps(method)
    def told(*words: _P.args, **named: _P.kwargs) -> _T:
        try:
            return method(*words, **named)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise MachineError(in_words(error)) from error

    return told


def in_words(error: OSError) -> str:
    """One line that names the file where there is one: the current folder has no name any more when it is gone."""
    if isinstance(error.filename, str | bytes):
        return f"{os.fsdecode(error.filename)}: {reason(error)}"
    if error.errno == errno.ENOENT and _is_nowhere():
        return "the current folder is gone"
    return reason(error)


def reason(error: OSError) -> str:
    """Why, in the system's words; where a limit of this process was reached, with that limit."""
    said = error.strerror or str(error)
    if error.errno != errno.EMFILE:
        return said
    return f"{said}: a process may have {open_files()} here (ulimit -n)"


def open_files() -> int:
    """How many files this process may have open."""
    import resource  # noqa: PLC0415 - only where something failed

    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _is_nowhere() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False
