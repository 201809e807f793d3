"""Starting programs without `subprocess`, and telling one process from a later one with the same number."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from lading.store.errors import MachineError
from lading.store.fastclass import dataclass
from lading.store.system.machine_errors import open_files, reason

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Process:
    """A process by its number and its start time in clock ticks since boot (proc(5), stat, field 22)."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process that has `pid` now, None where there is none or it is a zombie."""
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            return None
        return None if fields[0] in (b"Z", b"X") else cls(pid, int(fields[19]))

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return Process.of(self.pid) == self

    def open(self) -> int | None:
        """A pidfd of it, None where it is gone."""
        try:
            fd = os.pidfd_open(self.pid)
        except OSError:
            return None
        if not self.alive:
            os.close(fd)
            return None
        return fd


def find(program: str) -> str:
    """The path of a program in the usual folders. Raises `MachineError` where it is missing."""
    for folder in PATH.split(":"):
        path = f"{folder}/{program}"
        if os.access(path, os.X_OK):
            return path
    raise MachineError(f"{program} is not installed", hint=f"apt-get install {program}")


def spawn(argv: Sequence[str], env: Mapping[str, str], *, keep: Mapping[int, int], session: bool = True) -> int:
    """Starts `argv`, its first word a path, with only `keep` (its number: ours) open. Returns the pid.

    In a session of its own it has no terminal of the caller's, and what is typed there reaches it only by us.
    """
    actions: list[tuple[int, int, int]] = []
    high = max([*keep.keys(), *keep.values(), 2]) + 1
    for at, ours in enumerate(keep.values()):
        actions.append((os.POSIX_SPAWN_DUP2, ours, high + at))
    for at, theirs in enumerate(keep):
        actions.append((os.POSIX_SPAWN_DUP2, high + at, theirs))
    closing = [(os.POSIX_SPAWN_CLOSE, fd) for fd in (*range(high, high + len(keep)), *_inherited(keep))]
    try:
        return os.posix_spawn(argv[0], list(argv), dict(env), file_actions=[*actions, *closing], setsid=session)
    except OSError as error:
        # A number from the limit on cannot be given away, and the C library says of it only that it is a bad one.
        limited = error.errno == errno.EBADF and high + len(keep) > open_files()
        why = reason(OSError(errno.EMFILE, os.strerror(errno.EMFILE)) if limited else error)
        raise MachineError(f"{argv[0]} cannot be started: {why}") from error


def _inherited(keep: Mapping[int, int]) -> list[int]:
    """What whoever started us left open: a container that found a folder among it could leave its root by it."""
    found: list[int] = []
    limit = open_files()
    for fd in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError):
            if fd > 2 and fd not in keep and os.get_inheritable(fd):
                if fd < limit:
                    found.append(fd)
                else:
                    # One from before the limit was lowered cannot be named to posix_spawn.
                    os.set_inheritable(fd, False)
    return found


def wait(pid: int) -> int:
    """The exit code of a child, 128 and more where a signal ended it."""
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code if code >= 0 else 128 - code


def capture(argv: Sequence[str], env: Mapping[str, str], *, holding: int | None = None) -> tuple[int, str]:
    """Runs a program to its end with no input; its exit code and, at most 64 KiB of, what it wrote.

    It keeps `holding` open as well: the descriptor of a lock, which outlives us then if we are killed.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    try:
        held = {} if holding is None else {3: holding}
        pid = spawn(argv, env, keep={0: null, 1: writing, 2: writing, **held})
    finally:
        os.close(writing)
        os.close(null)
    with open(reading, "rb") as file:
        text = file.read(65536)
        while file.read(65536):
            pass
    return wait(pid), text.decode("utf-8", "replace").strip()
