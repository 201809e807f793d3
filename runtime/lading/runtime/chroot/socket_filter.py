"""A seccomp filter that lets nobody make a socket but those of this machine (AF_UNIX): no network without a namespace.

Classic BPF on `struct seccomp_data` (seccomp(2)): number, architecture, instruction pointer, arguments.
"""

from __future__ import annotations

import platform
import struct
from typing import Final

from lading.store.errors import MachineError

_ARCHITECTURES: Final = {"x86_64": (0xC000003E, 41, 53), "aarch64": (0xC00000B7, 198, 199)}
"""AUDIT_ARCH, and the numbers of socket and socketpair."""
_IO_URING_SETUP: Final = 425
_X32: Final = 0x40000000
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | 1
"""SECCOMP_RET_ERRNO, EPERM."""
_AF_UNIX: Final = 1
_NUMBER, _ARCH, _FIRST = 0, 4, 16


def socket_filter() -> bytes:
    """The instructions. Raises `MachineError` for a machine whose numbers are not known here."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise MachineError(f"a step without a network needs namespaces, or x86_64 or aarch64: this is {machine}")
    arch, socket, pair = _ARCHITECTURES[machine]
    program = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 0, 8, arch),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 6, 0, _X32),
        (_EQUAL, 5, 0, _IO_URING_SETUP),
        (_EQUAL, 1, 0, socket),
        (_EQUAL, 0, 2, pair),
        (_LOAD, 0, 0, _FIRST),
        (_EQUAL, 0, 1, _AF_UNIX),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in program)
