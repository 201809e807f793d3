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

from lading.networking.kernel.netlink import ACK, DUMP, NETFILTER, Message, Netlink, attributes, nested

_NFNL_SUBSYS_CTNETLINK: Final = 1
_IPCTNL_MSG_CT_GET, _IPCTNL_MSG_CT_DELETE = 1, 2
_CTA_TUPLE_ORIG: Final = 1
_CTA_TUPLE_PROTO: Final = 2
_CTA_PROTO_NUM, _CTA_PROTO_DST_PORT = 1, 3
_UDP: Final = bytes([socket.IPPROTO_UDP])
_AT_ONCE: Final = 500


def forget_udp(ports: Collection[int]) -> None:
    """Forgets the UDP flows to these ports, to whichever address. A kernel that cannot be asked has them expire."""
    wanted = {struct.pack(">H", port) for port in ports}
    with suppress(OSError), Netlink(NETFILTER) as channel:
        for family in (socket.AF_INET, socket.AF_INET6):
            head = struct.pack(">BBH", family, 0, 0)
            flows = channel.ask(Message("list the flows", _kind(_IPCTNL_MSG_CT_GET), DUMP, head))
            found = [flow for flow in map(_original, flows) if _is_udp_to(flow, wanted)]
            for start in range(0, len(found), _AT_ONCE):
                channel.send([_forget(head, flow) for flow in found[start : start + _AT_ONCE]])


def _original(flow: bytes) -> bytes:
    """The tuple of a flow's first packet."""
    return dict(attributes(flow[4:])).get(_CTA_TUPLE_ORIG, b"")


def _is_udp_to(original: bytes, ports: set[bytes]) -> bool:
    transport = dict(attributes(dict(attributes(original)).get(_CTA_TUPLE_PROTO, b"")))
    return transport.get(_CTA_PROTO_NUM) == _UDP and transport.get(_CTA_PROTO_DST_PORT) in ports


def _forget(head: bytes, original: bytes) -> Message:
    return Message("forget a flow", _kind(_IPCTNL_MSG_CT_DELETE), ACK, head + nested(_CTA_TUPLE_ORIG, original))


def _kind(number: int) -> int:
    return _NFNL_SUBSYS_CTNETLINK << 8 | number
