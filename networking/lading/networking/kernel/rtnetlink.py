"""The rtnetlink messages that make links, addresses, routes and neighbours (rtnetlink(7)).

Addresses are packed: 4 bytes are IPv4, 16 are IPv6.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import Final

from lading.networking.kernel.netlink import (
    ACK,
    CREATE,
    DUMP,
    EXCL,
    REPLACE,
    Message,
    Netlink,
    attribute,
    attributes,
    nested,
    number,
    text,
)
from lading.store.fastclass import dataclass

_RTM_NEWLINK: Final = 16
_RTM_DELLINK: Final = 17
_RTM_GETLINK: Final = 18
_RTM_NEWADDR: Final = 20
_RTM_NEWROUTE: Final = 24
_RTM_DELROUTE: Final = 25
_RTM_GETROUTE: Final = 26
_RTM_NEWNEIGH: Final = 28

# linux/rtnetlink.h
RTA_DST: Final = 1
RT_TABLE_LOCAL: Final = 255
_RTA_OIF: Final = 4
_RTA_GATEWAY: Final = 5
_RTA_TABLE: Final = 15
_RT_SCOPE_UNIVERSE: Final = 0
_RT_SCOPE_LINK: Final = 253
_RT_SCOPE_HOST: Final = 254
_RT_TABLE_MAIN: Final = 254
_RTPROT_STATIC: Final = 4
_RTN_UNICAST: Final = 1
_RTN_LOCAL: Final = 2
_RTN_PROHIBIT: Final = 8
_RTEXT_FILTER_SKIP_STATS: Final = 8

# linux/if_addr.h and linux/neighbour.h
_IFA_ADDRESS: Final = 1
_IFA_LOCAL: Final = 2
_IFA_F_NODAD: Final = 0x02
_NDA_DST: Final = 1
_NDA_LLADDR: Final = 2
_NUD_PERMANENT: Final = 0x80

# linux/if.h, linux/if_link.h, linux/veth.h and linux/ip.h
_IFF_UP: Final = 1
_IFLA_ADDRESS: Final = 1
_IFLA_IFNAME: Final = 3
_IFLA_MTU: Final = 4
_IFLA_LINKINFO: Final = 18
_IFLA_IFALIAS: Final = 20
_IFLA_AF_SPEC: Final = 26
_IFLA_GROUP: Final = 27
_IFLA_NET_NS_FD: Final = 28
_IFLA_EXT_MASK: Final = 29
_IFLA_INFO_KIND: Final = 1
_IFLA_INFO_DATA: Final = 2
_VETH_INFO_PEER: Final = 1
_IFLA_INET_CONF: Final = 1
_IFLA_INET6_ADDR_GEN_MODE: Final = 8
_IN6_ADDR_GEN_MODE_NONE: Final = b"\1"
_IPV4_DEVCONF_RP_FILTER: Final = 8
_IPV4_DEVCONF_SRC_VMARK: Final = 24
_IPV4_DEVCONF_ROUTE_LOCALNET: Final = 26


@dataclass(frozen=True, slots=True)
class End:
    """One end of a veth pair."""

    name: str
    mac: bytes


@dataclass(frozen=True, slots=True)
class NetworkLink:
    """A link that there is: its device group, and the words noted with it."""

    name: str
    group: int
    alias: str


def veth(host: End, inside: End, namespace: int, mtu: int, group: int) -> Message:
    """A pair of links, one here in device group `group`, one in the namespace behind the descriptor `namespace`."""
    peer = _link() + text(_IFLA_IFNAME, inside.name) + number(_IFLA_MTU, mtu)
    peer += attribute(_IFLA_ADDRESS, inside.mac) + number(_IFLA_NET_NS_FD, namespace)
    body = _link() + text(_IFLA_IFNAME, host.name) + number(_IFLA_MTU, mtu)
    body += attribute(_IFLA_ADDRESS, host.mac) + number(_IFLA_GROUP, group)
    pair = nested(_IFLA_INFO_DATA, attribute(_VETH_INFO_PEER, peer))
    body += nested(_IFLA_LINKINFO, text(_IFLA_INFO_KIND, "veth"), pair)
    return Message(f"make the link {host.name}", _RTM_NEWLINK, ACK | CREATE | EXCL, body)


def up(index: int) -> Message:
    """Sets a link up."""
    return Message("set a link up", _RTM_NEWLINK, ACK, _link(index, up=True))


def down(name: str) -> Message:
    """Sets a link down: its routes go at once."""
    body = _link(up=False) + text(_IFLA_IFNAME, name)
    return Message(f"set the link {name} down", _RTM_NEWLINK, ACK, body)


def no_own_address(index: int) -> Message:
    """The kernel shall give the link no IPv6 address of its own making: ours are there at once, without DAD."""
    setting = attribute(_IFLA_INET6_ADDR_GEN_MODE, _IN6_ADDR_GEN_MODE_NONE)
    return Message("set a link's IPv6 mode", _RTM_NEWLINK, ACK, _link(index) + _family(socket.AF_INET6, setting))


def ipv4_mode(index: int, *, loopback: bool) -> Message:
    """Only sources that are routed to this one link are heard there (rp_filter, strict), as packets with their mark.

    With `loopback`, 127.0.0.0/8 may leave and arrive through it (route_localnet).
    """
    settings = {
        _IPV4_DEVCONF_RP_FILTER: 1,
        _IPV4_DEVCONF_SRC_VMARK: 1,
        _IPV4_DEVCONF_ROUTE_LOCALNET: int(loopback),
    }
    setting = nested(_IFLA_INET_CONF, *(number(kind, value) for kind, value in settings.items()))
    return Message("set a link's IPv4 mode", _RTM_NEWLINK, ACK, _link(index) + _family(socket.AF_INET, setting))


def alias(index: int, words: str) -> Message:
    """Words that stay with a link, at most 255 bytes."""
    return Message("note whose a link is", _RTM_NEWLINK, ACK, _link(index) + text(_IFLA_IFALIAS, words))


def delete(name: str) -> Message:
    """Removes a link, and with it its other end, its addresses, routes and neighbours."""
    return Message(f"remove the link {name}", _RTM_DELLINK, ACK, _link() + text(_IFLA_IFNAME, name))


def address(packed: bytes, index: int, *, length: int | None = None, local: bool = False) -> Message:
    """An address of a link; `local` gives it the scope of the link, so that nothing else chooses it as a source."""
    bits = len(packed) * 8 if length is None else length
    scope = _RT_SCOPE_LINK if local else _RT_SCOPE_UNIVERSE
    head = struct.pack("=BBBBI", _af(packed), bits, _IFA_F_NODAD if len(packed) == 16 else 0, scope, index)
    body = head + attribute(_IFA_ADDRESS, packed) + attribute(_IFA_LOCAL, packed)
    return Message(f"add the address {show(packed)}", _RTM_NEWADDR, ACK | CREATE | EXCL, body)


def route(packed: bytes, index: int) -> Message:
    """One address is reached directly over a link. Refused with EEXIST where it has a route already."""
    return _route(packed, index, f"add a route to {show(packed)}", attribute(RTA_DST, packed), len(packed) * 8)


def own_everything(size: int, index: int) -> Message:
    """Every address of `size` bytes is one of this namespace's own, on the link `index`."""
    family = socket.AF_INET if size == 4 else socket.AF_INET6
    kind = (_RTPROT_STATIC, _RT_SCOPE_HOST, _RTN_LOCAL)
    head = struct.pack("=BBBBBBBBI", family, 0, 0, 0, RT_TABLE_LOCAL, *kind, 0)
    return Message("own every address", _RTM_NEWROUTE, ACK | CREATE, head + number(_RTA_OIF, index))


def prohibition(packed: bytes, table: int, *, remove: bool = False) -> Message:
    """One address is not to be reached, by those who look into this table of routes."""
    kind = (_RTPROT_STATIC, _RT_SCOPE_UNIVERSE, _RTN_PROHIBIT)
    head = struct.pack("=BBBBBBBBI", _af(packed), len(packed) * 8, 0, 0, 0, *kind, 0)
    body = head + attribute(RTA_DST, packed) + number(_RTA_TABLE, table)
    if remove:
        return Message(f"remove the fence of {show(packed)}", _RTM_DELROUTE, ACK, body)
    return Message(f"fence {show(packed)}", _RTM_NEWROUTE, ACK | CREATE | REPLACE, body)


def default_route(gateway: bytes, index: int) -> Message:
    """Everything else is reached through `gateway` on a link."""
    return _route(gateway, index, "add the default route", attribute(_RTA_GATEWAY, gateway), 0)


def neighbour(packed: bytes, mac: bytes, index: int) -> Message:
    """A neighbour that never has to be asked for: no ARP, no neighbour discovery, nothing to forge."""
    head = struct.pack("=BxxxiHBB", _af(packed), index, _NUD_PERMANENT, 0, 0)
    body = head + attribute(_NDA_DST, packed) + attribute(_NDA_LLADDR, mac)
    return Message(f"add the neighbour {show(packed)}", _RTM_NEWNEIGH, ACK | CREATE, body)


def index_of(netlink: Netlink, name: str) -> int:
    """The index of a link."""
    body = _link() + text(_IFLA_IFNAME, name) + number(_IFLA_EXT_MASK, _RTEXT_FILTER_SKIP_STATS)
    answer = netlink.ask(Message(f"find the link {name}", _RTM_GETLINK, 0, body))
    index: int = struct.unpack_from("=i", answer[0], 4)[0]
    return index


def named(netlink: Netlink, prefix: str) -> list[NetworkLink]:
    """The links whose names begin so."""
    body = _link() + number(_IFLA_EXT_MASK, _RTEXT_FILTER_SKIP_STATS)
    found: list[NetworkLink] = []
    for answer in netlink.ask(Message("list the links", _RTM_GETLINK, DUMP, body)):
        told = dict(attributes(answer[16:]))
        name = _text(told[_IFLA_IFNAME])
        if name.startswith(prefix):
            group: int = struct.unpack("=I", told[_IFLA_GROUP])[0]
            found.append(NetworkLink(name, group, _text(told.get(_IFLA_IFALIAS, b""))))
    return found


def _text(data: bytes) -> str:
    return os.fsdecode(data.rstrip(b"\0"))


def routes(netlink: Netlink, family: int) -> list[bytes]:
    """Every route of a family as the kernel tells it."""
    body = struct.pack("=BBBBBBBBI", family, 0, 0, 0, 0, 0, 0, 0, 0)
    return netlink.ask(Message("list the routes", _RTM_GETROUTE, DUMP, body))


def show(packed: bytes) -> str:
    """The address as text."""
    return socket.inet_ntop(_af(packed), packed)


def _af(packed: bytes) -> int:
    return socket.AF_INET if len(packed) == 4 else socket.AF_INET6


def _link(index: int = 0, *, up: bool | None = None) -> bytes:
    """The head of a message about a link (struct ifinfomsg), which is left as it is unless `up` says otherwise."""
    flags, changed = _IFF_UP if up else 0, 0 if up is None else _IFF_UP
    return struct.pack("=BxHiII", 0, 0, index, flags, changed)


def _family(family: int, setting: bytes) -> bytes:
    return nested(_IFLA_AF_SPEC, nested(family, setting))


def _route(packed: bytes, index: int, purpose: str, target: bytes, bits: int) -> Message:
    """To what `target` says, of which the first `bits` count: all of them, or none for the default route."""
    scope = _RT_SCOPE_LINK if bits and len(packed) == 4 else _RT_SCOPE_UNIVERSE
    kind = (_RT_TABLE_MAIN, _RTPROT_STATIC, scope, _RTN_UNICAST)
    head = struct.pack("=BBBBBBBBI", _af(packed), bits, 0, 0, *kind, 0)
    return Message(purpose, _RTM_NEWROUTE, ACK | CREATE | EXCL, head + target + number(_RTA_OIF, index))
