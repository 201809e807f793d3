"""The sandboxes that there are, living or left behind by a build that was killed, and how one is taken down.

Each has a folder below the run folder with a lock that its build holds while it lives. Everything here may be done
twice, by two processes.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lading.runtime.containers import networks
from lading.runtime.containers.records import remove_folder
from lading.runtime.lifecycle.step_mounts import MEMORY
from lading.runtime.lifecycle.step_network import ENCLOSED
from lading.store.snapshots.mounts import unmount
from lading.store.system.locks import is_locked

if TYPE_CHECKING:
    from lading.runtime.cgroups.groups import Cgroups
    from lading.runtime.oci.oci_runtime import OciRuntime

GATE: Final = "sandboxes.lock"
"""Held while a sandbox is made or the dead are counted."""
_ROUNDS: Final = 100
_PATIENCE: Final = 10_000
"""Milliseconds for which a killed process may take to go (it may be in the middle of a write)."""


def folder(run_dir: Path) -> Path:
    """Where they lie."""
    return run_dir / "sandboxes"


def names(run_dir: Path) -> list[str]:
    """All of them."""
    try:
        return os.listdir(folder(run_dir))
    except FileNotFoundError:
        return []


def remove(name: str, bundle: Path, oci: OciRuntime, cgroups: Cgroups, driver: networks.Drivers | None) -> None:
    """Takes down a sandbox whose OCI runtime ended by itself or by `end_runtime`."""
    if oci.knows(name):
        oci.delete(name)
    _end(lambda: _processes(cgroups.folders_of(name)))
    remove_folder(oci.state / name)
    cgroups.remove(name)
    if driver and (bundle / "network").exists():
        driver().detach(name)
    for place in (MEMORY, ENCLOSED):
        unmount(bundle / place)
    remove_folder(bundle)


def sweep(run_dir: Path, oci: OciRuntime, cgroups: Cgroups, driver: networks.Drivers | None) -> None:
    """Takes down the sandboxes whose build is gone, at whatever point of their making."""
    if not names(run_dir):
        return
    with networks.gate(run_dir, GATE):
        dead = [name for name in names(run_dir) if not is_locked(folder(run_dir) / name / "lock")]
    for name in dead:
        end_runtime(name)
        remove(name, folder(run_dir) / name, oci, cgroups, driver)


def end_runtime(name: str, *programs: str) -> None:
    """Kills the OCI runtime that makes or watches this sandbox, with what it forked that has no program yet.

    Nobody else has the name, which is random, among its words; with `programs`, paths, only who has one of them too.
    """
    _end(lambda: {int(entry) for entry in os.listdir("/proc") if entry.isdecimal() and _names(entry, name, programs)})


def _names(pid: str, name: str, programs: tuple[str, ...]) -> bool:
    try:
        words = Path("/proc", pid, "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return name.encode() in words and (not programs or any(program.encode() in words for program in programs))


def _processes(groups: list[Path]) -> set[int]:
    found: set[int] = set()
    for group in groups:
        for inside, _, _ in os.walk(group):
            with suppress(OSError):
                found.update(map(int, Path(inside, "cgroup.procs").read_text().split()))
    return found


def _end(members: Callable[[], set[int]]) -> None:
    """Kills `members` until there are none. Each is held before it is looked at again: numbers are used anew.

    The first of a namespace goes first, and the kernel ends the others with it: a shell whose `sleep` were ended before
    it would go on to the next command.
    """
    for _ in range(_ROUNDS):
        held: list[int] = []
        try:
            for pid in sorted(members(), key=_inner_number):
                with suppress(ProcessLookupError):
                    held.append(os.pidfd_open(pid))
            if not held:
                return
            numbers = members()
            for fd in held:
                if _number(fd) in numbers:
                    _kill(fd)
        finally:
            for fd in held:
                os.close(fd)


def _inner_number(pid: int) -> int:
    """The process's number in its own namespace, 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[-1]) for line in lines if line.startswith("NSpid:")), 0)


def _number(fd: int) -> int:
    text = Path(f"/proc/self/fdinfo/{fd}").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pid:"))


def _kill(fd: int) -> None:
    """Kills a process and waits until it has ended."""
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(fd, signal.SIGKILL)
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    poll.poll(_PATIENCE)
