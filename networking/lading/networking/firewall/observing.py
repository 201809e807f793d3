"""The part of the table that observes: what who is behind a watched link sends to, each destination once.

The kernel keeps every destination of every packet, so none is missed that a program of its own making sends; where
there is no place for one, the link is among those of which something was missed (`cut`). Packets that answer are passed
over, and nobody but who is behind a watched link begins anything with it. What is not routed is passed over as well:
neighbours, routers and groups are asked for by the kernel itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

from lading.networking.kernel.nfnetlink import Element
from lading.networking.kernel.rtnetlink import show

WATCHED: Final = "watched"
SEEN: Final = ("seen4", "seen6")
CUT: Final = "cut"
_MOST: Final = 65536
"""Destinations of all watched links together."""

_NUMBERED: Final = "{ tcp, udp, udplite, sctp, dccp }"
SETS: Final = f"""
  set watched {{ type iface_index; }}
  set cut {{ type iface_index; size 4096; flags dynamic; }}
  set seen4 {{ type iface_index . ipv4_addr . inet_proto . inet_service; size {_MOST}; flags dynamic; }}
  set seen6 {{ type iface_index . ipv6_addr . inet_proto . inet_service; size {_MOST}; flags dynamic; }}
"""
CHAINS: Final = f"""
  chain observe {{
    type filter hook prerouting priority mangle; policy accept;
    iif != @watched accept
    ct direction reply accept
    ip protocol igmp accept
    icmpv6 type {{ nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert }} accept
    icmpv6 type {{ mld-listener-report, mld-listener-done, mld2-listener-report }} accept
    meta l4proto {_NUMBERED} add @seen4 {{ iif . ip daddr . meta l4proto . th dport }} accept
    meta l4proto {_NUMBERED} add @seen6 {{ iif . ip6 daddr . meta l4proto . th dport }} accept
    meta l4proto != {_NUMBERED} add @seen4 {{ iif . ip daddr . meta l4proto . 0 }} accept
    meta l4proto != {_NUMBERED} add @seen6 {{ iif . ip6 daddr . meta l4proto . 0 }} accept
    add @cut {{ iif }}
  }}
  chain keep_out {{
    type filter hook output priority filter; policy accept;
    oif @watched ct state new reject with icmpx admin-prohibited
  }}
"""
FORWARDED: Final = "    oif @watched reject with icmpx admin-prohibited\n"
"""In the chain of what is passed on, after what was established: nobody else begins."""

_PROTOCOLS: Final = {1: "icmp", 6: "tcp", 17: "udp", 33: "dccp", 58: "icmpv6", 132: "sctp", 136: "udplite"}


def watched(index: int) -> Element:
    """The link with the number `index` is watched."""
    return Element(WATCHED, struct.pack("=I", index))


def cut(index: int) -> Element:
    """Something of this link was missed."""
    return Element(CUT, struct.pack("=I", index))


def index_of(element: Element) -> int:
    """The number of the link that an element is about."""
    return int(struct.unpack_from("=I", element.key)[0])


def destinations(elements: Iterable[Element]) -> set[tuple[str, str, int]]:
    """Protocol, address and port of each."""
    found: set[tuple[str, str, int]] = set()
    for element in elements:
        address, protocol, port = element.key[4:-8], element.key[-8], int.from_bytes(element.key[-4:-2], "big")
        found.add((_PROTOCOLS.get(protocol, f"protocol {protocol}"), show(address), port))
    return found
