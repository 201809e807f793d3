"""A command executed as root of a user namespace: what an ordinary user may mount and execute builds in.

The user is root there, and the ranges of /etc/subuid and /etc/subgid its other users; without them there are none.
The namespace has its own mounts and processes, so that everything in it ends with its first process, however that ends.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from lading.store.system import syscalls

_NEW_USERS, _NEW_MOUNTS, _NEW_PROCESSES = 0x10000000, 0x20000, 0x20000000
_SET_PDEATHSIG: Final = 1
_PASSED_ON: Final = (signal.SIGTERM, signal.SIGHUP)
_LEFT: Final = (signal.SIGINT, signal.SIGQUIT)
"""What a terminal gives to all of its processes at once."""
_PROC: Final = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC


def run_as_root(argv: Sequence[str], environment: Mapping[str, str]) -> int | None:
    """Runs `argv` to its end; its exit code, None where this user may have no such namespace."""
    (ready, told), (waiting, go) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(go)
        _inside(told, waiting, argv, environment)
    for end in (told, waiting):
        os.close(end)
    there = os.read(ready, 1) == b"1"
    if there:
        _map(child)
        os.write(go, b"1")
    os.close(go)
    os.close(ready)
    code = _wait(child)
    return code if there else None


def _inside(told: int, waiting: int, argv: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    code = 125
    try:
        syscalls.unshare(_NEW_USERS)
        syscalls.unshare(_NEW_MOUNTS | _NEW_PROCESSES)
    except OSError:
        os._exit(code)  # there is none for this user
    try:
        os.write(told, b"1")
        os.close(told)
        if os.read(waiting, 1) == b"1":
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
            syscalls.prctl(_SET_PDEATHSIG, signal.SIGKILL)
            with suppress(PermissionError):  # there are no other groups
                os.setgroups([])
            code = _first(argv, environment)
    except OSError as error:
        with suppress(OSError):
            os.write(2, f"lading: a user namespace of yours cannot be used: {error.strerror}\n".encode())
    finally:
        os._exit(code)


def _first(argv: Sequence[str], environment: Mapping[str, str]) -> int:
    first = os.fork()
    if first:
        return _wait(first)
    syscalls.prctl(_SET_PDEATHSIG, signal.SIGKILL)
    syscalls.keep_mounts_inside()
    syscalls.mount(b"proc", b"/proc", b"proc", _PROC)
    return os.execve(argv[0], list(argv), dict(environment))  # noqa: S606


def _wait(child: int) -> int:
    """Until `child` ends; what ends this process by a word is passed on to it."""
    for number in _PASSED_ON:
        signal.signal(number, lambda number, frame: os.kill(child, number))
    for number in _LEFT:
        signal.signal(number, signal.SIG_IGN)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code


def _map(child: int) -> None:
    uid, gid = os.getuid(), os.getgid()
    if not (_ranges(child, "uid", uid) and _ranges(child, "gid", gid)):
        with suppress(OSError):
            Path(f"/proc/{child}/setgroups").write_text("deny")
        for name, number in (("uid_map", uid), ("gid_map", gid)):
            with suppress(OSError):
                Path(f"/proc/{child}/{name}").write_text(f"0 {number} 1")


def _ranges(child: int, kind: str, own: int) -> bool:
    program = shutil.which(f"new{kind}map")
    found = _given(Path(f"/etc/sub{kind}"))
    if program is None or not found:
        return False
    start, count = found
    words = [program, str(child), "0", str(own), "1", "1", start, count]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def _given(file: Path) -> tuple[str, str] | None:
    """The range of this user: first number and how many."""
    names = {str(os.getuid())}
    with suppress(KeyError):
        names.add(pwd.getpwuid(os.getuid()).pw_name)
    with suppress(OSError):
        for line in file.read_text().splitlines():
            fields = line.strip().split(":")
            if len(fields) == 3 and fields[0] in names:
                return fields[1], fields[2]
    return None
