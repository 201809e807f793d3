"""Threads that do numbered tasks, each as soon as those that it stands on are done, the lowest number first.

The caller's own thread is one of them, and alone until it says that others are needed: an unchanged build starts
none, and a password is asked for where ^C is heard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from threading import Condition, Thread

from lading.build.graph.halt import Halt


class WorkerThreads:
    """Does `work` for every number in `before`, after all that stand there with it; `size` threads at most.

    The first that raises halts the others: `halt` is given, and what it raised is what `run` raises.
    """

    def __init__(self, work: Callable[[int], None], before: Mapping[int, Iterable[int]], size: int, halt: Halt) -> None:
        self._work, self._halt, self._size = work, halt, size
        self._left = TopologicalSorter(before)
        self._left.prepare()
        self._ready = sorted(self._left.get_ready())
        self._changed = Condition()
        self._waiting = 0
        self._joined = False
        self._others: list[Thread] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        """Returns when all is done and no thread is left; raises what the first task that failed raised."""
        try:
            self._take_turns()
        except BaseException as error:  # ^C between two tasks
            self._fail(error)
        for other in self._others:
            self._join(other)
        if self._error is not None:
            raise self._error

    def widen(self) -> None:
        """From now on others help. Called by the task under way that takes time."""
        with self._changed:
            self._joined = True
            self._hire(len(self._ready) - self._waiting)

    def _hire(self, more: int) -> None:
        for _ in range(min(more, self._size - 1 - len(self._others)) if self._joined and not self._error else 0):
            other = Thread(target=self._take_turns)
            self._others.append(other)
            other.start()

    def _take_turns(self) -> None:
        while (number := self._next()) is not None:
            try:
                self._work(number)
            except BaseException as error:
                self._fail(error)
            else:
                self._note(number)

    def _next(self) -> int | None:
        """The next that can be done; None where there is none and none will be."""
        with self._changed:
            while self._error is None and self._left.is_active():
                if self._ready:
                    return heappop(self._ready)
                self._waiting += 1
                try:
                    self._changed.wait()
                finally:
                    self._waiting -= 1
            return None

    def _note(self, number: int) -> None:
        with self._changed:
            self._left.done(number)
            for following in self._left.get_ready():
                heappush(self._ready, following)
            self._hire(len(self._ready) - self._waiting - 1)  # one does who has just become free
            self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._error = self._error or error
            self._halt.give()
            self._changed.notify_all()

    def _join(self, other: Thread) -> None:
        """Waits for a thread that ends; a ^C meanwhile takes nothing away from that."""
        while other.is_alive():
            try:
                other.join()
            except BaseException as error:
                self._fail(error)
