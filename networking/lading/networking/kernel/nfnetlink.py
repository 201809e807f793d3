"""Elements of nftables' sets and maps, one atomic batch at a time, in constant time whatever a set holds.

Only elements: tables, chains and rules are loaded once, by `nft`. Keys and values are the concatenation of their
fields, each padded to four bytes, in network order.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Sequence
from typing import Final

from lading.networking.kernel.netlink import DUMP, Message, Netlink, NetlinkError, attribute, attributes, nested, text
from lading.store.fastclass import dataclass

_NETFILTER: Final = 12
_SUBSYSTEM: Final = 10
_GET_TABLE, _GET_RULE = 1, 7
_NEW, _GET, _DELETE = 12, 13, 14
_BEGIN, _END = 0x10, 0x11
_REQUEST, _ACK, _EXCL, _CREATE = 0x1, 0x4, 0x200, 0x400
_INET: Final = 1
_ERROR: Final = 2
_AT_ONCE: Final = 500
"""A batch has to fit into the buffer of a socket."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a set, or with a `value` of a map."""

    set_name: str
    key: bytes
    value: bytes | None = None


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
    """Removes elements, in few transactions where all are there; those that are not are fine."""
    for start in range(0, len(elements), _AT_ONCE):
        some = elements[start : start + _AT_ONCE]
        try:
            _batch(table, some, _DELETE, 0)
        except FileNotFoundError:
            _delete_each(table, some)


def holds(table: str, element: Element) -> bool:
    """Whether a map has the element with this very value. The kernel removes by key alone, whoever's value it is."""
    body = text(1, table) + text(2, element.set_name)
    body += nested(3, nested(1, nested(1, attribute(1, element.key))))
    return element in _elements(element.set_name, _ask(_GET, 0, body))


def dump(table: str, set_name: str) -> list[Element]:
    """All elements of a set or map; none where it does not exist."""
    return _elements(set_name, _ask(_GET, DUMP, text(1, table) + text(2, set_name)))


def has_table(table: str) -> bool:
    """Whether a table is there."""
    return bool(_ask(_GET_TABLE, 0, text(1, table)))


def has_rules(table: str, chain: str) -> bool:
    """Whether a table is there and has a chain that is not empty."""
    return bool(_ask(_GET_RULE, DUMP, text(1, table) + text(2, chain)))


def _ask(kind: int, flags: int, body: bytes) -> list[bytes]:
    """The bodies of the answers; none where what is asked about does not exist."""
    head = struct.pack(">BBH", _INET, 0, 0)
    try:
        with Netlink(_NETFILTER) as channel:
            return channel.ask(Message("ask nftables", _SUBSYSTEM << 8 | kind, flags, head + body))
    except NetlinkError as error:
        if error.errno == errno.ENOENT:
            return []
        raise


def _elements(set_name: str, answers: Sequence[bytes]) -> list[Element]:
    found: list[Element] = []
    for answer in answers:
        listed = dict(attributes(answer[4:])).get(3, b"")
        for _, item in attributes(listed):
            parts = {kind: dict(attributes(data)).get(1) for kind, data in attributes(item) if kind in (1, 2)}
            found.append(Element(set_name, parts.get(1) or b"", parts.get(2)))
    return found


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
