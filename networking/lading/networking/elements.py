"""What an attachment has in the sets and maps of the table."""

from __future__ import annotations

import socket
from typing import Final

from lading.networking import nfnetlink
from lading.networking.driver import Attachment, Publish
from lading.networking.nfnetlink import Element

_NUMBERS: Final = {"tcp": 6, "udp": 17}


def addresses_of(attachment: Attachment) -> list[bytes]:
    """Packed, IPv4 first."""
    found = [socket.inet_aton(attachment.ipv4)]
    if attachment.ipv6:
        found.append(socket.inet_pton(socket.AF_INET6, attachment.ipv6))
    return found


def own_elements(attachment: Attachment) -> list[Element]:
    """That let its own packets pass."""
    name = nfnetlink.ifname(attachment.link)
    return [Element("bind4" if len(address) == 4 else "bind6", name + address) for address in addresses_of(attachment)]


def port_elements(attachment: Attachment, published: Publish) -> list[Element]:
    """That send a port of the host on to it."""
    number = nfnetlink.protocol(_NUMBERS[published.protocol]) + nfnetlink.port(published.host_port)
    inside = nfnetlink.port(published.container_port)
    found: list[Element] = []
    for address in addresses_of(attachment):
        kind = "4" if len(address) == 4 else "6"
        if published.host_ip is None:
            found.append(Element(f"port{kind}", number, address + inside))
        elif (":" in published.host_ip) == (kind == "6"):
            family = socket.AF_INET6 if kind == "6" else socket.AF_INET
            host = socket.inet_pton(family, published.host_ip)
            found.append(Element(f"host{kind}", host + number, address + inside))
    return found
