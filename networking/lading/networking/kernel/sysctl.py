"""What the host's own network is like, and what it has to be told."""

from __future__ import annotations

import os
from typing import Final

from lading.store.errors import MachineError

_SYSCTLS: Final = "/proc/sys/net/"
_FORWARD4: Final = "ipv4/ip_forward"
_FORWARD6: Final = "ipv6/conf/all/forwarding"


def has_ipv6() -> bool:
    """Whether it is there, not switched off, and not switched off for links to come."""
    return all(_read(f"ipv6/conf/{which}/disable_ipv6") == "0" for which in ("all", "default"))


def switch_on_forwarding(*, ipv6: bool) -> dict[str, str]:
    """Lets the host pass packets on; what was changed, with the values before. Raises `MachineError`."""
    changed: dict[str, str] = {}
    if _read(_FORWARD4) == "0":
        _write(_FORWARD4, "1", changed)
    if ipv6 and _read(_FORWARD6) == "0":
        _keep_listening_to_routers(changed)
        _write(_FORWARD6, "1", changed)
    return changed


def _keep_listening_to_routers(changed: dict[str, str]) -> None:
    """A host that forwards ignores router advertisements unless accept_ra is 2, and would lose its own way out."""
    for link in os.listdir(f"{_SYSCTLS}ipv6/conf"):
        name = f"ipv6/conf/{link}/accept_ra"
        if link not in ("all", "default", "lo") and _read(name) == "1":
            _write(name, "2", changed)


def _read(name: str) -> str | None:
    try:
        with open(_SYSCTLS + name, "rb") as stream:
            return stream.read(16).strip().decode()
    except OSError:
        return None


def _write(name: str, value: str, changed: dict[str, str]) -> None:
    changed[name] = _read(name) or ""
    try:
        with open(_SYSCTLS + name, "wb") as stream:
            stream.write(value.encode())
    except FileNotFoundError:
        del changed[name]
    except OSError as error:
        raise MachineError(
            f"{_SYSCTLS}{name}: {error.strerror}",
            hint=f"containers need the host to forward packets: sysctl -w net.{name.replace('/', '.')}={value}",
        ) from None


def mtu() -> int:
    """Of the link that the default route leaves by, 1500 without one."""
    try:
        with open("/proc/net/route", "rb") as stream:
            for line in stream.read().splitlines()[1:]:
                fields = line.split()
                if fields[1] == b"00000000" and fields[7] == b"00000000":
                    with open(f"/sys/class/net/{fields[0].decode()}/mtu", "rb") as stream_:
                        return min(int(stream_.read()), 65535)
    except (OSError, ValueError, IndexError):
        pass
    return 1500
