"""Published ports: as `-p` has them, and settled on ports that the host has free."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Sequence
from typing import Final

from lading.networking.driver import PortMapping, Transport
from lading.store.errors import InputError, MachineError, UsageError
from lading.store.fastclass import replace

_EVERY: Final = frozenset(("0.0.0.0", "::"))  # noqa: S104 - words of -p
_TRIES: Final = 16
_DIGITS: Final = frozenset("0123456789")
_MAX_RANGE: Final = 10_000


def parse_publish(text: str) -> tuple[PortMapping, ...]:
    """``[[IP:]HOSTPORT:]PORT[/tcp|/udp]``, each port one or ``FIRST-LAST``, as docker's -p. Raises `UsageError`."""
    words, slash, protocol = text.partition("/")
    address, host_words, inside_words = _split(words, text)
    protocol = protocol.lower() if slash else "tcp"
    if protocol not in ("tcp", "udp"):
        raise UsageError(
            f"publish {text}: the protocol {protocol!r} cannot be published, only tcp and udp", option="publish"
        )
    kind: Transport = "udp" if protocol == "udp" else "tcp"
    inside = _range(inside_words, text)
    host = _range(host_words, text) if host_words not in ("", "0") else None
    if host is None:
        return tuple(PortMapping(address, 0, port, kind) for port in inside)
    if len(inside) == 1 and len(host) > 1:
        return (PortMapping(address, host[0], inside[0], kind, host[-1]),)
    if len(host) != len(inside):
        raise UsageError(
            f"publish {text}: {len(host)} ports of the host for {len(inside)} of the container", option="publish"
        )
    return tuple(PortMapping(address, outer, inner, kind) for outer, inner in zip(host, inside, strict=True))


def _split(words: str, whole: str) -> tuple[str | None, str, str]:
    """Address, ports of the host and ports of the container; an IPv6 address stands in brackets."""
    address = ""
    if words.startswith("["):
        address, bracket, words = words.partition("]:")
        address += "]" if bracket else ""
    parts = words.split(":")
    if len(parts) > (2 if address else 3):
        raise UsageError(f"publish {whole}: expected [[IP:]HOSTPORT:]PORT[/tcp|/udp]", option="publish")
    *front, inside = parts
    host = front.pop() if front else ""
    return _address(address or (front[0] if front else ""), whole), host, inside


def _address(text: str | None, whole: str) -> str | None:
    if not text:
        return None
    bare = text.strip("[]")
    family = socket.AF_INET6 if text.startswith("[") else socket.AF_INET
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, bare))
    except (OSError, ValueError):
        raise UsageError(f"publish {whole}: not an IP address: {text!r}", option="publish") from None


def _range(text: str, whole: str) -> range:
    first, dash, last = text.partition("-")
    if not _DIGITS.issuperset(first) or not first or (dash and not (last and _DIGITS.issuperset(last))):
        raise UsageError(f"publish {whole}: not a port: {text!r}", option="publish")
    low, high = int(first), int(last) if dash else int(first)
    if not (0 < low <= high <= 65535) or high - low >= _MAX_RANGE:
        raise UsageError(f"publish {whole}: not a port from 1 to 65535: {text!r}", option="publish")
    return range(low, high + 1)


def settle(publish: Sequence[PortMapping], held: Sequence[PortMapping] = (), *, ipv6: bool) -> tuple[PortMapping, ...]:
    """The ports that will be taken, each free on the host now and not among those `held` by containers.

    Raises `InputError`, `MachineError`.
    """
    settled: list[PortMapping] = []
    for wanted in dict.fromkeys(publish):
        settled.append(_settle_one(wanted, [*held, *settled], ipv6))
    return tuple(settled)


def _settle_one(wanted: PortMapping, held: Sequence[PortMapping], ipv6: bool) -> PortMapping:
    _check_address(wanted, ipv6)
    if wanted.host_port == 0:
        candidates: Iterable[int] = (_ephemeral(wanted) for _ in range(_TRIES))
    else:
        candidates = range(wanted.host_port, (wanted.host_port_end or wanted.host_port) + 1)
    problem: OSError | None = None
    for port in candidates:
        choice = replace(wanted, host_port=port, host_port_end=None)
        if any(_conflict(choice, other) for other in held):
            continue
        problem = _bind_all(choice, ipv6)
        if problem is None:
            return choice
    raise refused(wanted, problem)


def _check_address(wanted: PortMapping, ipv6: bool) -> None:
    if wanted.host_ip and ":" in wanted.host_ip and not ipv6:
        raise InputError(f"cannot publish {_where(wanted)}: this machine has no IPv6")
    if wanted.host_ip == "::1":
        raise InputError(
            f"cannot publish {_where(wanted)}: the kernel sends nothing on from the IPv6 loopback",
            hint="publish on 127.0.0.1",
        )


def _conflict(one: PortMapping, other: PortMapping) -> bool:
    """Whether both would have a packet to the same address."""
    if (one.host_port, one.protocol) != (other.host_port, other.protocol):
        return False
    if one.host_ip is None or other.host_ip is None or one.host_ip == other.host_ip:
        return True
    same_family = (":" in one.host_ip) == (":" in other.host_ip)
    return same_family and bool({one.host_ip, other.host_ip} & _EVERY)


def refused(wanted: PortMapping, problem: OSError | None) -> InputError | MachineError:
    """Why a port cannot be published, in one line."""
    where = _where(wanted)
    if problem is not None and problem.errno == errno.EADDRNOTAVAIL:
        return InputError(f"cannot publish {where}: {wanted.host_ip} is not an address of this machine")
    if problem is not None and problem.errno not in (errno.EADDRINUSE, errno.EEXIST):
        return MachineError(f"cannot publish {where}: {problem.strerror}")
    return MachineError(
        f"cannot publish {where}: the port is in use",
        hint="another program or container has it; choose another, or leave the host's port out for a free one",
    )


def _where(wanted: PortMapping) -> str:
    address = wanted.host_ip or "0.0.0.0"  # noqa: S104 - every address
    end = f"-{wanted.host_port_end}" if wanted.host_port_end else ""
    return f"{f'[{address}]' if ':' in address else address}:{wanted.host_port}{end}/{wanted.protocol}"


def _bind_all(wanted: PortMapping, ipv6: bool) -> OSError | None:
    """Binds the port for a moment: what the kernel refuses now, somebody has."""
    addresses = [wanted.host_ip] if wanted.host_ip else ["0.0.0.0", *(["::"] if ipv6 else [])]  # noqa: S104
    for address in addresses:
        try:
            _bind(address, wanted.host_port, wanted.protocol).close()
        except OSError as error:
            return error
    return None


def _ephemeral(wanted: PortMapping) -> int:
    with _bind(wanted.host_ip or "0.0.0.0", 0, wanted.protocol) as probe:  # noqa: S104
        port: int = probe.getsockname()[1]
        return port


def _bind(address: str, port: int, protocol: Transport) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    probe = socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
    try:
        if protocol == "tcp":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        probe.bind((address, port))
    except OSError:
        probe.close()
        raise
    return probe
