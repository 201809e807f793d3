"""What the host's own network is like, and what it has to be told."""

from __future__ import annotations

from typing import Final

from lading.store.errors import MachineError

_SYSCTLS: Final = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")


def has_ipv6() -> bool:
    """Whether it is there and not switched off."""
    try:
        with open("/proc/sys/net/ipv6/conf/all/disable_ipv6", "rb") as stream:
            return stream.read(1) == b"0"
    except OSError:
        return False


def switch_on_forwarding() -> None:
    """Lets the host pass packets on, both families. Raises `MachineError`."""
    for name in _SYSCTLS:
        path = f"/proc/sys/{name}"
        try:
            with open(path, "rb") as stream:
                if stream.read(1) != b"0":
                    continue
            with open(path, "wb") as stream:
                stream.write(b"1")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise MachineError(
                f"{path}: {error.strerror}", hint="containers need the host to forward packets"
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
