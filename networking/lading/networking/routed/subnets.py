"""Where a network's addresses come from, and how a range is found that the host does not use already."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, TypeVar

from lading.networking.kernel import rtnetlink
from lading.networking.kernel.netlink import Netlink, attributes
from lading.store.errors import InputError, MachineError

_Network = TypeVar("_Network", IPv4Network, IPv6Network)

_LEAST: Final = 8
"""Addresses of a network: those that nobody can have, the host's own, and some for containers."""


def choose(
    wanted4: IPv4Network | None, wanted6: IPv6Network | None, taken: Sequence[IPv4Network | IPv6Network] = ()
) -> tuple[IPv4Network, IPv6Network]:
    """The two ranges of a new network: the wanted, else the first that no route of the host and no network has.

    Raises `InputError` where a wanted one is too small or collides, `MachineError` where none is left.
    """
    with Netlink() as channel:
        used = [*taken, *_routes(channel, socket.AF_INET), *_routes(channel, socket.AF_INET6)]
    return _one(wanted4, _candidates4(), used), _one(wanted6, _candidates6(), used)


def _candidates4() -> Iterable[IPv4Network]:
    yield from (IPv4Network(f"10.{number}.0.0/16") for number in range(142, 150))
    yield from (IPv4Network(f"172.{number}.0.0/16") for number in range(28, 32))
    yield from (IPv4Network(f"192.168.{number}.0/20") for number in range(208, 256, 16))


def _candidates6() -> Iterable[IPv6Network]:
    return (IPv6Network(f"fd4c:6164:696e:67{number:02x}::/64") for number in range(1, 17))


def _one(
    wanted: _Network | None, candidates: Iterable[_Network], used: Sequence[IPv4Network | IPv6Network]
) -> _Network:
    if wanted and wanted.num_addresses < _LEAST:
        raise InputError(f"the subnet {wanted} has fewer than {_LEAST} addresses")
    for candidate in [wanted] if wanted else candidates:
        other = next((route for route in used if route.overlaps(candidate)), None)
        if other is None:
            return candidate
        if wanted:
            raise InputError(f"the subnet {wanted} overlaps {other}, which this host has a route to")
    raise MachineError(
        "this host has a route to every range that a network would take", hint="name a subnet for the network"
    )


def _routes(channel: Netlink, family: int) -> list[IPv4Network | IPv6Network]:
    """What the host has routes to, but for its own addresses, the default, and what is said on one link."""
    found: list[IPv4Network | IPv6Network] = []
    for route in rtnetlink.routes(channel, family):
        bits, table = struct.unpack_from("=xBxxB", route)
        target = dict(attributes(route[12:])).get(rtnetlink.RTA_DST)
        if bits and target and table != rtnetlink.RT_TABLE_LOCAL and target[0] not in (0xFE, 0xFF):
            found.append(ip_network((target, bits)))
    return found
