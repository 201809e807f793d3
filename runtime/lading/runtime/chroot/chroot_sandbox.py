"""Steps in a changed root folder: for an ordinary container of a CI system, uid 0 with docker's default rights.

No mount, no namespace, no device of its own: root inside can leave it, and sees the machine's processes, users, host
name and network. What `oci` mounts is put into the tree and taken out again (`places`).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from lading.runtime.chroot.places import StepPlaces
from lading.runtime.chroot.socket_filter import socket_filter
from lading.runtime.lifecycle.step_process import StepOutput, run_at_terminal, run_to_end
from lading.runtime.oci.oci_runtime import ENV
from lading.runtime.spec import capabilities, etc_files, users
from lading.runtime.spec.rootfs import check_kernel_folders
from lading.runtime.spec.spec import DEFAULT_PATH
from lading.store.errors import InputError
from lading.store.system.machine_errors import border

if TYPE_CHECKING:
    from lading.runtime.chroot.step_keeper import Plan
    from lading.runtime.lifecycle.step_process import SandboxProcess

_DEVICES: Final = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
_FIRST_FREE: Final = 5
_TOLD: Final = "steps are executed under chroot, which root inside can leave: the provenance says keyExposed"


def _silent(text: str) -> None:
    del text


class ChrootSandbox:
    """Executes steps. Safe to use from several threads."""

    isolation = "chroot"

    def __init__(self, warn: Callable[[str], None] = _silent, python: str = sys.executable) -> None:
        """`warn` is told once, when a step is executed."""
        self._warn, self._told = warn, Lock()
        self._python = python
        held = capabilities.held()
        self._capabilities = sorted(capabilities.BUILD & held)
        self._dropped = sorted(capabilities.ALL.index(name) for name in held - capabilities.BUILD)

    @property
    def privileges(self) -> dict[str, object]:
        """As the sandbox's, within what this process holds itself."""
        return {"capabilities": self._capabilities, "noNewPrivileges": False}

    @border
    def execute(self, rootfs: Path, process: SandboxProcess, output: StepOutput, halt: int | None = None) -> int:
        """As `Sandbox.execute`, in the plain folder `rootfs`."""
        if process.shm_size:
            raise InputError("a size of /dev/shm needs mounts, which this isolation (chroot) has not")
        if self._told.acquire(blocking=False):
            self._warn(_TOLD)
        check_kernel_folders(rootfs)
        aside = rootfs.parent / f".aside-{os.urandom(4).hex()}"
        with StepPlaces(rootfs, aside) as places:
            _furnish(places, process)
            for _, item in sorted({item.target: item for item in process.mounts}.items()):
                places.put(item)
            return self._run(rootfs, process, places.secrets, output, halt)

    def _run(
        self,
        rootfs: Path,
        process: SandboxProcess,
        secrets: list[tuple[int, str]],
        output: StepOutput,
        halt: int | None,
    ) -> int:
        root = os.open(rootfs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        plan = os.memfd_create("plan", os.MFD_CLOEXEC)
        try:
            names = [(_FIRST_FREE + number, name) for number, (_, name) in enumerate(secrets)]
            os.write(plan, json.dumps(self._plan(root, process, names)).encode())
            os.lseek(plan, 0, os.SEEK_SET)
            keep = {3: plan, 4: root, **{_FIRST_FREE + number: fd for number, (fd, _) in enumerate(secrets)}}
            argv = [self._python, "-I", "-m", "lading.runtime.chroot.step_keeper"]
            if process.terminal is not None:
                return run_at_terminal(argv, ENV, process.terminal, keep=keep, signal=signal.SIGTERM)
            return run_to_end(argv, ENV, process.stdin, output, halt, keep=keep, signal=signal.SIGTERM)
        finally:
            os.close(plan)
            os.close(root)

    def _plan(self, root: int, process: SandboxProcess, secrets: list[tuple[int, str]]) -> Plan:
        user = users.resolve(root, process.user)
        env = {"PATH": DEFAULT_PATH.partition("=")[2], "HOME": user.home, **dict(process.env), **dict(process.secrets)}
        return {
            "builder": os.getpid(),
            "argv": list(process.argv),
            "env": env,
            "cwd": process.cwd,
            "uid": user.uid,
            "gid": user.gid,
            "groups": sorted({user.gid, *user.groups}),
            "drop": [] if process.insecure else self._dropped,
            "filter": socket_filter().hex() if process.network == "none" else "",
            "limits": list(process.ulimits),
            "secrets": secrets,
            "terminal": process.terminal is not None,
        }


def _furnish(places: StepPlaces, process: SandboxProcess) -> None:
    """What every step has: folders where the kernel's would be mounted, a few devices, names of hosts and servers."""
    places.folder("/proc", 0o555)
    places.folder("/sys", 0o555)
    _devices(places.folder("/dev"))
    own = "".join(f"{address}\t{name}\n" for name, address in (*process.hosts, (process.hostname, "127.0.1.1")))
    places.file("/etc/hosts", etc_files.hosts(own).encode())
    places.file("/etc/resolv.conf", etc_files.resolv_conf(shared=True).encode())


def _devices(folder: Path) -> None:
    """The devices where they may be made and opened; else a file takes the place of ``/dev/null``."""
    for name, (major, minor) in _DEVICES.items():
        if not _device(folder / name, os.makedev(major, minor)) and name == "null":
            (folder / name).touch()
            (folder / name).chmod(0o666)
    (folder / "shm").mkdir()
    (folder / "shm").chmod(0o1777)


def _device(place: Path, device: int) -> bool:
    try:
        os.mknod(place, 0o020666, device)
        place.chmod(0o666)
        if place.name != "tty":  # which nobody has here
            os.close(os.open(place, os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        with suppress(FileNotFoundError):
            place.unlink()
        return False
    return True
