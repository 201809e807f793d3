"""Several transfers at once: the first failure stops the others, and an interrupt waits for nobody."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from lading.registry.client.downloads import StoppedError

_GRACE: Final = 2.0
_T = TypeVar("_T")


def each(items: Iterable[_T], work: Callable[[_T, threading.Event], None], workers: int) -> None:
    """`work(item, stop)` for every item, in at most `workers` threads.

    `work` looks at `stop` and raises `StoppedError` when it is set. Raises the first failure after all threads
    ended. Threads are daemons, so that an interrupt is not held up by a silent registry.
    """
    waiting: queue.SimpleQueue[_T] = queue.SimpleQueue()
    count = 0
    for item in items:
        waiting.put(item)
        count += 1
    if count == 0:
        return
    stop, errors = threading.Event(), list[BaseException]()
    threads = [
        threading.Thread(target=_drain, args=(waiting, work, stop, errors), daemon=True)
        for _ in range(min(workers, count))
    ]
    for thread in threads:
        thread.start()
    _wait(threads, stop)
    if errors:
        raise errors[0]


def _wait(threads: Sequence[threading.Thread], stop: threading.Event) -> None:
    try:
        for thread in threads:
            thread.join()
    except BaseException:
        stop.set()
        for thread in threads:
            thread.join(_GRACE / len(threads))
        raise


def _drain(
    waiting: queue.SimpleQueue[_T],
    work: Callable[[_T, threading.Event], None],
    stop: threading.Event,
    errors: list[BaseException],
) -> None:
    while not stop.is_set():
        try:
            item = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            work(item, stop)
        except StoppedError:
            return
        except BaseException as error:  # it is raised again in the caller's thread
            errors.append(error)
            stop.set()
