"""Forgetting flows, so that a client that keeps sending to a UDP port does not stay with the past.

The kernel decides on a flow's way by its first packet and remembers it for as long as packets come. TCP connections
end by themselves; UDP flows have to be forgotten. Shapes are those of nfnetlink_conntrack.h.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection
from contextlib import suppress
from typing import Final

from lading.networking.kernel.netlink import ACK, DUMP, Message, Netlink, attribute, attributes

_NETFILTER: Final = 12
_CONNTRACK: Final = 1 << 8
_GET, _DELETE = 1, 2
_ORIGINAL: Final = 1
_TRANSPORT: Final = 2
_NUMBER, _TARGET_PORT = 1, 3
_UDP: Final = b"\x11"
_NESTED: Final = 0x8000
_AT_ONCE: Final = 500


def forget_udp(ports: Collection[int]) -> None:
    """Forgets the UDP flows to these ports, to whichever address. A kernel that cannot be asked has them expire."""
    wanted = {struct.pack(">H", port) for port in ports}
    with suppress(OSError), Netlink(_NETFILTER) as channel:
        for family in (socket.AF_INET, socket.AF_INET6):
            head = struct.pack(">BBH", family, 0, 0)
            flows = channel.ask(Message("list the flows", _CONNTRACK | _GET, DUMP, head))
            found = [flow for flow in map(_original, flows) if _is_udp_to(flow, wanted)]
            for start in range(0, len(found), _AT_ONCE):
                channel.send([_forget(head, flow) for flow in found[start : start + _AT_ONCE]])


def _original(flow: bytes) -> bytes:
    """The tuple of a flow's first packet."""
    return dict(attributes(flow[4:])).get(_ORIGINAL, b"")


def _is_udp_to(original: bytes, ports: set[bytes]) -> bool:
    transport = dict(attributes(dict(attributes(original)).get(_TRANSPORT, b"")))
    return transport.get(_NUMBER) == _UDP and transport.get(_TARGET_PORT) in ports


def _forget(head: bytes, original: bytes) -> Message:
    return Message("forget a flow", _CONNTRACK | _DELETE, ACK, head + attribute(_ORIGINAL | _NESTED, original))
