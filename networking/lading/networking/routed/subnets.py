"""Where a network's addresses come from, and how a range is found that the host does not use already."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from typing import Final

from lading.networking.kernel import rtnetlink
from lading.networking.kernel.netlink import Netlink, attributes
from lading.store.errors import InputError, MachineError
from lading.store.fastclass import dataclass

_LOCAL: Final = 255


@dataclass(frozen=True, slots=True)
class Subnet:
    """A range of addresses: the first `bits` of each."""

    address: str
    bits: int

    @classmethod
    def parse(cls, text: str) -> Subnet:
        """`10.142.0.0/16`. Raises `InputError`."""
        address, _, bits = text.partition("/")
        try:
            found = cls(address, int(bits))
            if not 0 < found.bits <= 8 * len(found.packed) - 3:
                raise ValueError
        except (OSError, ValueError):
            raise InputError(f"not a subnet: {text!r}", hint="for example 10.142.0.0/16") from None
        if int.from_bytes(found.packed, "big") % (1 << (8 * len(found.packed) - found.bits)):
            raise InputError(f"not a subnet: {text}: the address has bits beyond the first {bits}")
        return found

    def __str__(self) -> str:
        return f"{self.address}/{self.bits}"

    @property
    def packed(self) -> bytes:
        """Four or sixteen bytes."""
        return socket.inet_pton(socket.AF_INET6 if ":" in self.address else socket.AF_INET, self.address)

    def host(self, number: int) -> bytes:
        """The address with that host part."""
        packed = self.packed
        value = int.from_bytes(packed, "big") | number
        return value.to_bytes(len(packed), "big")

    def overlaps(self, other: Subnet) -> bool:
        """Whether an address could be in both."""
        mine, theirs = self.packed, other.packed
        if len(mine) != len(theirs):
            return False
        shift = 8 * len(mine) - min(self.bits, other.bits)
        return int.from_bytes(mine, "big") >> shift == int.from_bytes(theirs, "big") >> shift


_CANDIDATES4: Final = (
    *(Subnet(f"10.{number}.0.0", 16) for number in range(142, 150)),
    *(Subnet(f"172.{number}.0.0", 16) for number in range(28, 32)),
    *(Subnet(f"192.168.{number}.0", 20) for number in range(208, 256, 16)),
)
_CANDIDATES6: Final = tuple(Subnet(f"fd4c:6164:696e:67{number:02x}::", 64) for number in range(1, 17))


def choose(wanted4: Subnet | None, wanted6: Subnet | None, taken: Sequence[Subnet] = ()) -> tuple[Subnet, Subnet]:
    """The two ranges of a new network: the wanted, else the first that no route of the host and no network has.

    Raises `InputError` where a wanted one collides, `MachineError` where none is left.
    """
    with Netlink() as channel:
        used = [*taken, *_routes(channel, socket.AF_INET), *_routes(channel, socket.AF_INET6)]
    return _one(wanted4, _CANDIDATES4, used), _one(wanted6, _CANDIDATES6, used)


def _one(wanted: Subnet | None, candidates: Sequence[Subnet], used: Sequence[Subnet]) -> Subnet:
    for candidate in [wanted] if wanted else candidates:
        other = next((route for route in used if route.overlaps(candidate)), None)
        if other is None:
            return candidate
        if wanted:
            raise InputError(f"the subnet {wanted} overlaps {other}, which this host has a route to")
    raise MachineError(
        "this host has a route to every range that a network would take", hint="name a subnet for the network"
    )


def _routes(channel: Netlink, family: int) -> list[Subnet]:
    """What the host has routes to, but for its own addresses and the default."""
    found: list[Subnet] = []
    for route in rtnetlink.routes(channel, family):
        bits, table = struct.unpack_from("=xBxxB", route)
        target = dict(attributes(route[12:])).get(1)
        if bits and target and table != _LOCAL and target[0] not in (0xFE, 0xFF):
            found.append(Subnet(rtnetlink.show(target), bits))
    return found
