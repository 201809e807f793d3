"""The border of a component that works with the machine: what the system refuses leaves it as `MachineError`.

The methods that others call are marked with `border`, so nothing inside need think of it. A reader that has gone is the
caller's own affair (`BrokenPipeError`), and errors of Lading pass as they are.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from lading.store.errors import MachineError

_P = ParamSpec("_P")
_T = TypeVar("_T")


def border(method: Callable[_P, _T]) -> Callable[_P, _T]:
    """The same, but for `OSError`, which is told in one line that names the file where there is one."""

    @wraps(method)
    def told(*words: _P.args, **named: _P.kwargs) -> _T:
        try:
            return method(*words, **named)
        except BrokenPipeError:
            raise
        except OSError as error:
            where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
            raise MachineError(f"{where}{error.strerror or error}") from error

    return told
