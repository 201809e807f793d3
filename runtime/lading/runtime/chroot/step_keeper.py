"""``python -m lading.runtime.chroot.step_keeper``: executes one step, and leaves nothing of it running.

Descriptor 3 holds a plan (`Plan`), 4 is the root folder. The keeper is the one that orphans fall to, so it finds every
process of the step, and ends them all when the first one ended, when it is told to (TERM), or when the build is killed:
then it also removes the files that no disk should keep.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import sys
import termios
from contextlib import suppress
from typing import Final, TypedDict

from lading.store.system.syscalls import filter_calls, prctl

_SET_PDEATHSIG, _CAPBSET_DROP, _SET_NO_NEW_PRIVS, _SET_CHILD_SUBREAPER = 1, 24, 38, 36
_ROUNDS: Final = 1000


class Plan(TypedDict):
    """What is executed: `drop` are numbers of capabilities, `filter` instructions of seccomp in hexadecimal.

    With `terminal` its standard input is one, and becomes its own.
    """

    builder: int
    argv: list[str]
    env: dict[str, str]
    cwd: str
    uid: int
    gid: int
    groups: list[int]
    drop: list[int]
    filter: str
    limits: list[tuple[str, int, int]]
    secrets: list[tuple[int, str]]
    terminal: bool


def keep(plan: Plan) -> int:
    """The exit code of the step."""
    ends = {signal.SIGTERM, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    prctl(_SET_PDEATHSIG, signal.SIGTERM)
    prctl(_SET_CHILD_SUBREAPER, 1)
    child = os.fork() if os.getppid() == plan["builder"] else -1
    if child == 0:
        _become(plan, ends)
    code = None
    while child > 0 and code is None:
        if signal.sigwait(ends) == signal.SIGTERM:
            break
        code = _reaped(child)
    _end_all()
    if code is None:
        for folder, name in plan["secrets"]:
            with suppress(OSError):
                os.unlink(name, dir_fd=folder)
        return 128 + signal.SIGTERM
    return code


def _reaped(child: int) -> int | None:
    """Takes leave of who ended; the code of `child` where it is among them."""
    found = None
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                code = os.waitstatus_to_exitcode(ended[1])
                found = code if code >= 0 else 128 - code
    return found


def _end_all() -> None:
    """Stops all that descend from here until there is no new one, then kills them; again, until none is left."""
    for _ in range(_ROUNDS):
        known = set[int]()
        while new := _descendants() - known:
            for pid in new:
                _signal(pid, signal.SIGSTOP)
            known |= new
        for pid in known:
            _signal(pid, signal.SIGKILL)
        try:
            while True:
                os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _descendants() -> set[int]:
    parents: dict[int, int] = {}
    for name in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
            if fields[0] not in (b"Z", b"X"):
                parents[int(name)] = int(fields[1])
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


def _become(plan: Plan, blocked: set[signal.Signals]) -> None:
    """Turns this process into the step's. Never returns."""
    code = 125
    name = plan["argv"][0]
    try:
        if plan["terminal"]:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        os.fchdir(4)
        os.chroot(".")
        _confine(plan)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)
        os.closerange(3, 1 << 16)
        os.execvpe(name, plan["argv"], plan["env"])  # noqa: S606
    except FileNotFoundError:
        code, said = 127, f"{name}: not found in the container"
    except OSError as error:
        code, said = 126, f"{name}: cannot be executed in the container: {error.strerror}"
    except BaseException as error:
        said = str(error)
    os.write(2, f"{said}\n".encode("utf-8", "surrogateescape"))
    os._exit(code)


def _confine(plan: Plan) -> None:
    os.umask(0o022)
    try:
        os.chdir(plan["cwd"])
    except OSError as error:
        raise RuntimeError(f"{plan['cwd']}: cannot be entered: {error.strerror}") from error
    for name, soft, hard in plan["limits"]:
        resource.setrlimit(getattr(resource, f"RLIMIT_{name.upper()}"), (soft, hard))
    for number in plan["drop"]:
        prctl(_CAPBSET_DROP, number)
    try:
        os.setgroups(plan["groups"])
    except PermissionError:  # in a namespace of one user nobody may
        if set(plan["groups"]) - {plan["gid"]}:
            raise
    os.setresgid(plan["gid"], plan["gid"], plan["gid"])
    os.setresuid(plan["uid"], plan["uid"], plan["uid"])
    prctl(_SET_PDEATHSIG, signal.SIGKILL)  # forgotten by the kernel when a process becomes somebody else
    if plan["filter"]:
        prctl(_SET_NO_NEW_PRIVS, 1)
        filter_calls(bytes.fromhex(plan["filter"]))


if __name__ == "__main__":
    with open(3, "rb", closefd=False) as given:
        sys.exit(keep(json.loads(given.read())))
