"""Network namespaces that outlive the process that made them: bound to files, as ip-netns(8) does."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from lading.store.system.private_folders import private_folder
from lading.store.system.syscalls import CLONE_NEWNET, MNT_DETACH, MS_BIND, mount, setns, umount, unshare

_T = TypeVar("_T")
_OWN: Final = b"/proc/thread-self/ns/net"
_SETTINGS: Final = (("ip_unprivileged_port_start", b"0"), ("ping_group_range", b"0 2147483647"))
"""As docker and containerd have it: low ports and ping need no privilege in a namespace of one's own."""


def create(path: Path, work: Callable[[], _T]) -> _T:
    """A new namespace at `path`, which must not exist; `work` is called in there, as `inside` does."""
    private_folder(path.parent)
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400))

    def make() -> _T:
        unshare(CLONE_NEWNET)
        for name, value in _SETTINGS:
            _set(f"/proc/sys/net/ipv4/{name}", value)
        mount(_OWN, os.fsencode(path), None, MS_BIND)
        return work()

    return _in_thread(make)


def inside(path: Path, work: Callable[[], _T]) -> _T:
    """Calls `work` in a thread that is in the namespace at `path`; what it opens stays in there."""

    def enter() -> _T:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            setns(file, CLONE_NEWNET)
        finally:
            os.close(file)
        return work()

    return _in_thread(enter)


def remove(path: Path) -> None:
    """Lets a namespace go; it ends with the last process in it. One that is not there is fine."""
    while True:
        try:
            umount(os.fsencode(path), MNT_DETACH)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOENT):
                raise
            break
    path.unlink(missing_ok=True)


def _set(file: str, value: bytes) -> None:
    """Where /proc/sys is read-only, the namespace keeps the kernel's defaults."""
    with suppress(OSError), open(file, "wb", buffering=0) as stream:
        stream.write(value)


def _in_thread(work: Callable[[], _T]) -> _T:
    """A thread of its own: a namespace is a thread's, and nothing has to be put back."""
    result: list[_T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            result.append(work())
        except BaseException as error:  # handed on
            failure.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]
