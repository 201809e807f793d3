"""Elements of nftables' sets and maps, one atomic batch at a time, in constant time whatever a set holds.

Only elements: tables, chains and rules are loaded once, by `nft`. Keys and values are the concatenation of their
fields, each padded to four bytes, in network order.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence
from typing import Final

from lading.networking.netlink import attribute, nested, text
from lading.store.fastclass import dataclass

_NETFILTER: Final = 12
_SUBSYSTEM: Final = 10
_NEW, _GET, _DELETE = 12, 13, 14
_BEGIN, _END = 0x10, 0x11
_REQUEST, _ACK, _EXCL, _CREATE = 0x1, 0x4, 0x200, 0x400
_INET: Final = 1
_ERROR: Final = 2


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a set, or with a `value` of a map; `end` closes an interval that begins at `key`."""

    set_name: str
    key: bytes
    value: bytes | None = None
    end: bytes | None = None


def ifname(name: str) -> bytes:
    """A link's name as a field."""
    return name.encode().ljust(16, b"\0")


def port(number: int) -> bytes:
    """A port as a field."""
    return struct.pack(">Hxx", number)


def protocol(number: int) -> bytes:
    """A transport protocol's number as a field."""
    return struct.pack(">Bxxx", number)


def add(table: str, elements: Sequence[Element], *, new: bool = False) -> None:
    """Adds all or none. With `new`, an element that is there already is EEXIST; without, that is fine.

    Raises `OSError`: ENOENT where the table or a set is missing.
    """
    _batch(table, elements, _NEW, _CREATE | (_EXCL if new else 0))


def delete(table: str, elements: Sequence[Element]) -> None:
    """Removes elements, in one transaction where all are there; those that are not are fine."""
    try:
        _batch(table, elements, _DELETE, 0)
    except FileNotFoundError:
        _delete_each(table, elements)


def holds(table: str, element: Element) -> bool:
    """Whether a map has the element with this very value. The kernel removes by key alone, whoever's value it is."""
    body = text(1, table) + text(2, element.set_name)
    body += nested(3, nested(1, nested(1, attribute(1, element.key))))
    message = _message(_SUBSYSTEM << 8 | _GET, 0, 1, _INET, 0, body)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER) as channel:
        channel.bind((0, 0))
        channel.send(message)
        answer = channel.recv(65536)
    kind = struct.unpack_from("=H", answer, 4)[0]
    # The kernel's own nests do not carry the flag that ours do.
    return kind != _ERROR and attribute(2, attribute(1, element.value or b"")) in answer


def _delete_each(table: str, elements: Sequence[Element]) -> None:
    for element in elements:
        try:
            _batch(table, [element], _DELETE, 0)
        except FileNotFoundError:
            continue


def _element(element: Element) -> bytes:
    parts = [nested(1, attribute(1, element.key))]
    if element.value is not None:
        parts.append(nested(2, attribute(1, element.value)))
    if element.end is not None:
        parts.append(nested(10, attribute(1, element.end)))
    return nested(1, *parts)


def _batch(table: str, elements: Sequence[Element], kind: int, flags: int) -> None:
    messages = [_message(_BEGIN, 0, 0, 0, _SUBSYSTEM, b"")]
    for number, element in enumerate(elements, 1):
        body = text(1, table) + text(2, element.set_name) + nested(3, _element(element))
        messages.append(_message(_SUBSYSTEM << 8 | kind, flags | _ACK, number, _INET, 0, body))
    messages.append(_message(_END, 0, 0, 0, _SUBSYSTEM, b""))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER) as channel:
        channel.bind((0, 0))
        channel.send(b"".join(messages))
        _answers(channel, len(elements))


def _message(kind: int, flags: int, sequence: int, family: int, resource: int, body: bytes) -> bytes:
    head = struct.pack("=IHHII", 20 + len(body), kind, flags | _REQUEST, sequence, 0)
    return head + struct.pack(">BBH", family, 0, resource) + body


def _answers(channel: socket.socket, left: int) -> None:
    """Reads an acknowledgement for each element. A batch that fails is undone whole, so the first error is enough."""
    while left > 0:
        data = channel.recv(65536)
        at = 0
        while at + 16 <= len(data):
            size, kind = struct.unpack_from("=IH", data, at)
            code = -struct.unpack_from("=i", data, at + 16)[0] if kind == _ERROR else 0
            if code:
                raise OSError(code, os.strerror(code))
            left -= kind == _ERROR
            at += (size + 3) & ~3
