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
from typing import Final

from lading.networking import links, namespaces
from lading.networking.driver import Attachment
from lading.networking.elements import addresses_of
from lading.networking.links import End
from lading.networking.netlink import Netlink, NetlinkError

GATEWAY4: Final = "169.254.1.1"
GATEWAY6: Final = "fe80::1"

_PATIENCE: Final = 0.05
"""Seconds."""
_HOST_MAC: Final = bytes.fromhex("02001adb1001")


class TakenError(Exception):
    """Somebody on this host has the address."""


def connect(attachment: Attachment, host6: bytes, group: int) -> None:
    """Makes the namespace and the links; `host6` is what the host is called in there, `group` the network's links.

    Raises `TakenError`, `OSError`; what was made until then stays, for `disconnect`.
    """
    addresses = addresses_of(attachment)
    mac = b"\x02\x42" + addresses[0]
    with namespaces.create(attachment.netns, Netlink) as there, Netlink() as here:
        _pair(here, attachment, mac, group)
        _host_end(here, attachment, addresses, host6, mac)
        _container_end(there, attachment, addresses)


def disconnect(attachment: Attachment, *, insist: bool) -> None:
    """Takes the links and the namespace down; what is not there is fine.

    A link goes with its namespace: the kernel comes to that within some milliseconds, and is given some. Where somebody
    holds on to the namespace, the link stays, dead and without routes, until `sweep`; with `insist` it is removed at
    once, which costs 20 ms and more.
    """
    with Netlink() as here, suppress(NetlinkError):
        here.send([links.delete(attachment.link) if insist else links.down(attachment.link)])
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
        for name in links.in_group(here, group) - expected:
            with suppress(NetlinkError):
                here.send([links.delete(name)])


def _pair(here: Netlink, attachment: Attachment, mac: bytes, group: int) -> None:
    namespace = os.open(attachment.netns, os.O_RDONLY | os.O_CLOEXEC)
    host, container = End(attachment.link, _HOST_MAC), End(attachment.interface, mac)
    pair = links.veth(host, container, namespace, attachment.mtu, group)
    try:
        here.send([pair])
    except NetlinkError as error:
        if error.errno != errno.EEXIST:
            raise
        # The container's own last link, whose end the kernel has not come to yet.
        with suppress(NetlinkError):
            here.send([links.delete(attachment.link)])
        here.send([pair])
    finally:
        os.close(namespace)


def _host_end(here: Netlink, attachment: Attachment, addresses: list[bytes], host6: bytes, mac: bytes) -> None:
    index = socket.if_nametoindex(attachment.link)
    messages = [
        *([links.no_own_address(index), links.address(host6, index)] if attachment.ipv6 else []),
        links.route_loopback(index),
        links.up(index),
        links.address(socket.inet_aton(GATEWAY4), index, local=True),
        *(links.route(address, index) for address in addresses),
        *(links.neighbour(address, mac, index) for address in addresses),
    ]
    try:
        here.send(messages)
    except NetlinkError as error:
        if error.errno == errno.EEXIST:
            raise TakenError from error
        raise


def _container_end(there: Netlink, attachment: Attachment, addresses: list[bytes]) -> None:
    index = links.index_of(there, attachment.interface)
    gateways = [socket.inet_aton(GATEWAY4)]
    if attachment.ipv6:
        gateways.append(socket.inet_pton(socket.AF_INET6, GATEWAY6))
    messages = [
        links.up(1),
        *([links.no_own_address(index)] if attachment.ipv6 else []),
        links.up(index),
        *(links.address(address, index) for address in addresses),
    ]
    for gateway in gateways:
        messages += [
            links.route(gateway, index),
            links.neighbour(gateway, _HOST_MAC, index),
            links.default_route(gateway, index),
        ]
    there.send(messages)
