"""What a build costs: time that went by, time of the processors, memory of all processes at its peak."""

from __future__ import annotations

import os
import resource
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAUSE = 0.02


@dataclass(frozen=True)
class Cost:
    """In seconds, and in bytes where memory was looked at."""

    wall: float
    cpu: float
    memory: int = 0


def cost(
    act: Callable[[], object], daemon: int | None = None, *, memory: bool = False, without: Iterable[int] = ()
) -> Cost:
    """Does it once. What the process `daemon` and its children do meanwhile counts too, not what those `without` do."""
    spent, start = _cpu(daemon), time.perf_counter()
    if not memory:
        act()
        return Cost(time.perf_counter() - start, _cpu(daemon) - spent)
    with _Watch(without) as watch:
        act()
    return Cost(time.perf_counter() - start, _cpu(daemon) - spent, watch.peak)


def _cpu(daemon: int | None) -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = usage.ru_utime + usage.ru_stime
    if daemon is None:
        return own
    fields = Path(f"/proc/{daemon}/stat").read_text().rpartition(")")[2].split()
    return own + sum(map(int, fields[11:15])) / _TICKS


class _Watch:
    """Adds up the proportional set sizes of this process's descendants (a daemon is one), again and again."""

    def __init__(self, without: Iterable[int]) -> None:
        self.peak = 0
        self._without = frozenset(without)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(_PAUSE):
            self.peak = max(self.peak, sum(map(_size, _below(os.getpid(), self._without))))


def _below(parent: int, without: Set[int]) -> set[int]:
    found: set[int] = set()
    left = [parent]
    while left:
        pid = left.pop()
        if pid in without:
            continue
        found.add(pid)
        with suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                left += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
    return found - {parent}


def _size(pid: int) -> int:
    with suppress(OSError, ValueError, StopIteration):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) * 1024
    return 0


def middle(costs: Sequence[Cost]) -> Cost:
    """The median of each."""
    return Cost(
        statistics.median(one.wall for one in costs),
        statistics.median(one.cpu for one in costs),
        max(one.memory for one in costs),
    )
