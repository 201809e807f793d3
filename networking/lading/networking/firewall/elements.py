"""What one attachment has in the nftables table: its published ports, and that its network may speak to itself."""

from __future__ import annotations

import socket
import struct
from typing import Final

from lading.networking.driver import Attachment, PortMapping
from lading.networking.kernel import nfnetlink
from lading.networking.kernel.nfnetlink import Element

_NUMBERS: Final = {"tcp": 6, "udp": 17}
_EVERY: Final = ("0.0.0.0", "::")  # noqa: S104 - words of -p, nothing is bound


def addresses_of(attachment: Attachment) -> list[bytes]:
    """Its addresses, packed."""
    found = [socket.inet_aton(attachment.ipv4)]
    if attachment.ipv6:
        found.append(socket.inet_pton(socket.AF_INET6, attachment.ipv6))
    return found


def network_element(group: int) -> Element:
    """The links of device group `group` may speak to each other."""
    return Element("same", struct.pack("=II", group, group))


def answers_on_loopback(attachment: Attachment) -> bool:
    """Whether one of its ports is published on an address of 127.0.0.0/8."""
    addresses = {published.host_ip or "0.0.0.0" for published in attachment.published}  # noqa: S104 - a word of -p
    return any(address == "0.0.0.0" or address.startswith("127.") for address in addresses)  # noqa: S104


def elements_of(attachment: Attachment) -> list[Element]:
    """All its ports."""
    return [element for published in attachment.published for element in port_elements(attachment, published)]


def port_elements(attachment: Attachment, published: PortMapping) -> list[Element]:
    """One published port: an element for each family that it is published in."""
    number = nfnetlink.protocol(_NUMBERS[published.protocol]) + nfnetlink.port(published.host_port)
    inside = nfnetlink.port(published.container_port)
    found: list[Element] = []
    for address in addresses_of(attachment):
        kind = "4" if len(address) == 4 else "6"
        if published.host_ip is None:
            found.append(Element(f"port{kind}", number, address + inside))
        elif (":" in published.host_ip) != (kind == "6"):
            continue
        elif published.host_ip in _EVERY:
            found.append(Element(f"port{kind}", number, address + inside))
        else:
            family = socket.AF_INET6 if kind == "6" else socket.AF_INET
            host = socket.inet_pton(family, published.host_ip)
            found.append(Element(f"host{kind}", host + number, address + inside))
    return found
