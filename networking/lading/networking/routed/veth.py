"""The pair of links between a container and the host, with everything that hangs on it.

The host's end carries the route to the container's address, and the gateway's addresses for what the host itself
says to the container, so that this needs no address of the host's own. Neighbours are fixed on both ends.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from lading.networking.driver import Attachment
from lading.networking.firewall import fence
from lading.networking.firewall.elements import addresses_of, answers_on_loopback
from lading.networking.kernel import namespaces, rtnetlink
from lading.networking.kernel.netlink import Netlink, NetlinkError
from lading.networking.kernel.rtnetlink import End
from lading.store.fastclass import dataclass

GATEWAY4: Final = "169.254.1.1"
GATEWAY6: Final = "fe80::1"

PREFIX: Final = "lad"
"""What the names of host links begin with; the rules of the table go by it."""

_MAX_ALIAS: Final = 255
_PATIENCE: Final = 0.05
"""Seconds."""
_HOST_MAC: Final = bytes.fromhex("02001adb1001")


class AddressInUseError(Exception):
    """Somebody on this host has the address."""


@dataclass(frozen=True, slots=True)
class HostNetwork:
    """A network among the host's links: their device group, and the folder with its records that each one names.

    `host6` is what the host is called in there.
    """

    group: int
    folder: Path
    host6: bytes


def connect(attachment: Attachment, place: HostNetwork) -> None:
    """Makes the namespace and the links.

    Raises `AddressInUseError`, `OSError`; what was made until then stays, for `disconnect`.
    """
    addresses = addresses_of(attachment)
    mac = b"\x02\x42" + addresses[0]
    with namespaces.create(attachment.netns, Netlink) as there, Netlink() as here:
        fence.put_up(here, ipv6=attachment.ipv6 is not None)
        _pair(here, attachment, mac, place.group)
        _host_end(here, attachment, place, mac)
        _container_end(there, attachment, addresses)


def disconnect(attachment: Attachment, *, insist: bool) -> None:
    """Takes the links and the namespace down; what is not there is fine.

    A link goes with its namespace: the kernel comes to that within some milliseconds, and is given some. Where somebody
    holds on to the namespace, the link stays, dead and without routes, until `sweep`; with `insist` it is removed at
    once, which costs 20 ms and more.
    """
    with Netlink() as here:
        with suppress(NetlinkError):
            here.send([rtnetlink.delete(attachment.link) if insist else rtnetlink.down(attachment.link)])
        fence.gone(here, addresses_of(attachment))
    namespaces.remove(attachment.netns)
    until = time.monotonic() + _PATIENCE
    while not insist and _exists(attachment.link) and time.monotonic() < until:
        time.sleep(0.001)


def _exists(link: str) -> bool:
    try:
        return socket.if_nametoindex(link) > 0
    except OSError:
        return False


def sweep(group: int, expected: set[str]) -> None:
    """Removes links of a network that belong to nobody: somebody may hold on to a namespace that was let go."""
    with Netlink() as here:
        for link in rtnetlink.named(here, PREFIX):
            if link.group == group and link.name not in expected:
                with suppress(NetlinkError):
                    here.send([rtnetlink.delete(link.name)])


def _pair(here: Netlink, attachment: Attachment, mac: bytes, group: int) -> None:
    namespace = os.open(attachment.netns, os.O_RDONLY | os.O_CLOEXEC)
    host, container = End(attachment.link, _HOST_MAC), End(attachment.interface, mac)
    pair = rtnetlink.veth(host, container, namespace, attachment.mtu, group)
    try:
        here.send([pair])
    except NetlinkError as error:
        if error.errno != errno.EEXIST:
            raise
        # The container's own last link, whose end the kernel has not come to yet.
        with suppress(NetlinkError):
            here.send([rtnetlink.delete(attachment.link)])
        here.send([pair])
    finally:
        os.close(namespace)


def _host_end(here: Netlink, attachment: Attachment, place: HostNetwork, mac: bytes) -> None:
    index, addresses = socket.if_nametoindex(attachment.link), addresses_of(attachment)
    words = str(place.folder)
    messages = [
        *([rtnetlink.alias(index, words)] if len(os.fsencode(words)) <= _MAX_ALIAS else []),
        *([rtnetlink.no_own_address(index), rtnetlink.address(place.host6, index)] if attachment.ipv6 else []),
        rtnetlink.ipv4_mode(index, loopback=answers_on_loopback(attachment)),
        rtnetlink.up(index),
        rtnetlink.address(socket.inet_aton(GATEWAY4), index, local=True),
        *(rtnetlink.route(address, index) for address in addresses),
        *(fence.around(address) for address in addresses),
        *(rtnetlink.neighbour(address, mac, index) for address in addresses),
    ]
    try:
        here.send(messages)
    except NetlinkError as error:
        if error.errno == errno.EEXIST:
            raise AddressInUseError from error
        raise


def _container_end(there: Netlink, attachment: Attachment, addresses: list[bytes]) -> None:
    index = rtnetlink.index_of(there, attachment.interface)
    gateways = [socket.inet_aton(GATEWAY4)]
    if attachment.ipv6:
        gateways.append(socket.inet_pton(socket.AF_INET6, GATEWAY6))
    messages = [
        rtnetlink.up(1),
        *([rtnetlink.no_own_address(index)] if attachment.ipv6 else []),
        rtnetlink.up(index),
        *(rtnetlink.address(address, index) for address in addresses),
    ]
    for gateway in gateways:
        messages += [
            rtnetlink.route(gateway, index),
            rtnetlink.neighbour(gateway, _HOST_MAC, index),
            rtnetlink.default_route(gateway, index),
        ]
    there.send(messages)
