"""Who is writing into a folder: a lock file per writer, so that the leftovers of the dead can be told.

A session is one writer's presence in a folder of temporary files: `<token>.lock`, held by flock(2) for as
long as the process lives, and files named `<token>.<number>`. The kernel drops the lock with the process,
however it ends; there is no process id to be reused, and it holds between containers that share the folder.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lading.store.disk import on_disk

_LOCK: Final = ".lock"


class Session:
    """This writer in `folder`. Nothing is made before the first use of `token`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mutex = threading.Lock()
        self._token = ""
        self._lock = -1
        self._count = 0

    @property
    def token(self) -> str:
        """The name of this session; from here on it counts as alive."""
        if not self._token:
            with self._mutex, on_disk(self.folder):
                if not self._token:
                    self._start()
        return self._token

    @property
    def started(self) -> str | None:
        """As `token`, None where nothing has been written yet."""
        return self._token or None

    def path(self) -> str:
        """A new name for a temporary file of this session."""
        token = self.token
        with self._mutex:
            self._count += 1
            return f"{self.folder}/{token}.{self._count}"

    def alive(self, token: str) -> bool:
        """Whether the writer that `token` names still runs (or is this one)."""
        if token == self._token:
            return True
        lock = _take(f"{self.folder}/{token}{_LOCK}")
        if lock is None:
            return True
        if lock >= 0:
            os.close(lock)
        return False

    def sweep(self) -> None:
        """Removes what writers that no longer run have left."""
        tokens = {name.partition(".")[0] for name in _names(self.folder)} - {self._token}
        for token in tokens:
            lock = _take(f"{self.folder}/{token}{_LOCK}")
            if lock is None:
                continue
            leftovers = [name for name in _names(self.folder) if name.partition(".")[0] == token]
            for name in sorted(leftovers, key=lambda name: name.endswith(_LOCK)):
                _unlink(f"{self.folder}/{name}")
            if lock >= 0:
                os.close(lock)

    def close(self) -> None:
        """Ends the session; what it left unfinished may be swept."""
        with self._mutex:
            if self._token:
                _unlink(f"{self.folder}/{self._token}{_LOCK}")
                os.close(self._lock)
                self._token, self._lock = "", -1

    def _start(self) -> None:
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        while True:
            token = os.urandom(8).hex()
            path = f"{self.folder}/{token}{_LOCK}"
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            if _flock(lock) and os.fstat(lock).st_nlink:
                self._token, self._lock = token, lock
                return
            os.close(lock)


def _flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _take(path: str) -> int | None:
    """The lock at `path`, -1 where there is none, None where its owner lives."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1
    if _flock(lock):
        return lock
    os.close(lock)
    return None


def _names(folder: Path) -> Iterator[str]:
    try:
        yield from os.listdir(folder)
    except FileNotFoundError:
        return


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
