"""Linux capabilities (capabilities(7)): of a container docker's default less MKNOD, NET_RAW and AUDIT_WRITE."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from lading.store.errors import UsageError

_DEFAULT: Final = "CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT"
_ALL: Final = """
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
    NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
    SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
    MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""

DEFAULT: Final = frozenset("CAP_" + name for name in _DEFAULT.split())
"""What a container holds unless told otherwise."""

BUILD: Final = DEFAULT | {"CAP_MKNOD", "CAP_NET_RAW", "CAP_AUDIT_WRITE"}
"""What a step of a build holds: docker's own default, which package managers count on."""

ALL: Final = tuple("CAP_" + name for name in _ALL.split())
"""In the order of their numbers."""


def held() -> frozenset[str]:
    """What this process may hand on at most: its bounding set."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapBnd:"):
            bits = int(line.split()[1], 16)
            return frozenset(name for number, name in enumerate(ALL) if bits >> number & 1)
    return frozenset()


def resolve(add: Iterable[str] = (), drop: Iterable[str] = (), *, bound: frozenset[str] | None = None) -> list[str]:
    """The default set with `add` and without `drop`, within `bound` (left out: `held()`).

    Names are taken as docker takes them: any case, with or without CAP_, ALL. Raises `UsageError` for an unknown one,
    and for one asked for by name that this machine's caller does not hold.
    """
    bound = held() if bound is None else bound
    names = set(DEFAULT)
    added, dropped = [_name(text) for text in add], [_name(text) for text in drop]
    if "ALL" in dropped:
        names.clear()
    if "ALL" in added:
        names.update(ALL)
    names.update(name for name in added if name != "ALL")
    for name in added:
        if name != "ALL" and name not in bound:
            raise UsageError(f"cap-add {name}: the caller does not hold this capability itself", option="cap-add")
    names.difference_update(dropped)
    return sorted(names & bound)


def _name(text: str) -> str:
    name = text.upper()
    if name == "ALL":
        return name
    if not name.startswith("CAP_"):
        name = "CAP_" + name
    if name not in ALL:
        raise UsageError(f"{text}: no such capability")
    return name
