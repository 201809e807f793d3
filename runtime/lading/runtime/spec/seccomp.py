"""The default seccomp profile, resolved into `linux.seccomp` of the OCI runtime spec (config-linux.md, "Seccomp").

A runtime takes plain rules only; conditions on capabilities and machines are decided here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from lading.runtime.spec.allowed_syscalls import ALWAYS, ARCHITECTURES, BY_CAPABILITY, BY_MACHINE, DENIED, PERSONALITIES

_EPERM: Final = 1
_ENOSYS: Final = 38
_AF_ALG: Final = 38
_AF_VSOCK: Final = 40
_NEW_NAMESPACES: Final = 0x7E020000
"""All CLONE_NEW* flags but CLONE_NEWTIME, which clone(2) does not take."""
_MKNOD: Final = {"mknod": 2, "mknodat": 3}
"""What makes device nodes, and which argument is the device."""
_CONSOLE: Final = 5 << 8 | 1
"""The host's own console as mknod(2) takes it: crun's list of devices, which cannot be shortened, lets it be opened."""

Rule = dict[str, object]


def profile(capabilities: Iterable[str], machine: str | None = None) -> dict[str, object]:
    """The rules for a container that holds `capabilities`, on `machine` (left out: this one).

    What is known and not allowed fails with EPERM; whatever is not known with ENOSYS, so that libraries fall back to
    an older call. So does clone3, whose flags a filter cannot read.
    """
    held = frozenset(capabilities)
    machine = machine or os.uname().machine
    names: set[str] = set(ALWAYS - _MKNOD.keys())
    names.update(BY_MACHINE.get(machine, "").split())
    for capability in held:
        names.update(BY_CAPABILITY.get(capability, "").split())
    known = DENIED.union(*(words.split() for words in BY_CAPABILITY.values())) - {"clone", "clone3"}
    rules = [_allow(sorted(names)), _deny(sorted(known - names)), *_sockets(), *_nodes(), *_personalities()]
    if "CAP_SYS_ADMIN" not in held:
        rules += _clones(machine)
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": _ENOSYS,
        "architectures": list(ARCHITECTURES.get(machine, ())),
        "syscalls": rules,
    }


def _allow(names: list[str], **argument: object) -> Rule:
    rule: Rule = {"names": names, "action": "SCMP_ACT_ALLOW"}
    return {**rule, "args": [argument]} if argument else rule


def _deny(names: list[str], **argument: object) -> Rule:
    return _allow(names, **argument) | {"action": "SCMP_ACT_ERRNO", "errnoRet": _EPERM}


def _sockets() -> list[Rule]:
    """Every family but AF_ALG and AF_VSOCK; rules of one call are alternatives."""
    return [
        *(_deny(["socket"], index=0, value=family, op="SCMP_CMP_EQ") for family in (_AF_ALG, _AF_VSOCK)),
        _allow(["socket"], index=0, value=_AF_ALG, op="SCMP_CMP_LT"),
        _allow(["socket"], index=0, value=_AF_ALG + 1, op="SCMP_CMP_EQ"),
        _allow(["socket"], index=0, value=_AF_VSOCK, op="SCMP_CMP_GT"),
    ]


def _nodes() -> list[Rule]:
    """Every device in which one bit at least is not the console's; the kernel looks at 32 bits, whatever is above."""
    return [
        rule
        for call, index in _MKNOD.items()
        for rule in (
            *(
                _allow([call], index=index, value=bit, valueTwo=bit & ~_CONSOLE, op="SCMP_CMP_MASKED_EQ")
                for bit in (1 << number for number in range(32))
            ),
            _deny([call], index=index, value=0xFFFFFFFF, valueTwo=_CONSOLE, op="SCMP_CMP_MASKED_EQ"),
        )
    ]


def _personalities() -> list[Rule]:
    return [_allow(["personality"], index=0, value=value, op="SCMP_CMP_EQ") for value in PERSONALITIES]


def _clones(machine: str) -> list[Rule]:
    flags = 1 if machine.startswith("s390") else 0
    bits = [1 << bit for bit in range(32) if _NEW_NAMESPACES >> bit & 1]
    return [
        _allow(["clone"], index=flags, value=_NEW_NAMESPACES, valueTwo=0, op="SCMP_CMP_MASKED_EQ"),
        *(_deny(["clone"], index=flags, value=bit, valueTwo=bit, op="SCMP_CMP_MASKED_EQ") for bit in bits),
    ]
