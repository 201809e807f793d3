"""Elements of nftables' sets and maps, one atomic batch at a time, in constant time whatever a set holds.

Only elements: tables, chains and rules are loaded once, by `nft`. Keys and values are the concatenation of their
fields, each padded to four bytes, in network order.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Sequence
from typing import Final

from lading.networking.kernel.netlink import (
    ACK,
    CREATE,
    DUMP,
    EXCL,
    NETFILTER,
    Message,
    Netlink,
    NetlinkError,
    attribute,
    attributes,
    nested,
    text,
)
from lading.store.fastclass import dataclass

# linux/netfilter.h and linux/netfilter/nfnetlink.h
_NFPROTO_UNSPEC, _NFPROTO_INET = 0, 1
_NFNL_SUBSYS_NFTABLES: Final = 10
_NFNL_MSG_BATCH_BEGIN, _NFNL_MSG_BATCH_END = 0x10, 0x11

# linux/netfilter/nf_tables.h; a set, an element and what is in one begin with names and numbers of their own.
_NFT_MSG_GETTABLE, _NFT_MSG_GETRULE = 1, 7
_NFT_MSG_NEWSETELEM, _NFT_MSG_GETSETELEM, _NFT_MSG_DELSETELEM = 12, 13, 14
_NFTA_TABLE_NAME: Final = 1
_NFTA_RULE_TABLE, _NFTA_RULE_CHAIN = 1, 2
_NFTA_SET_ELEM_LIST_TABLE, _NFTA_SET_ELEM_LIST_SET, _NFTA_SET_ELEM_LIST_ELEMENTS = 1, 2, 3
_NFTA_LIST_ELEM: Final = 1
_NFTA_SET_ELEM_KEY, _NFTA_SET_ELEM_DATA = 1, 2
_NFTA_DATA_VALUE: Final = 1

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

    Raises `NetlinkError`: ENOENT where the table or a set is missing.
    """
    _batch(table, elements, _NFT_MSG_NEWSETELEM, CREATE | (EXCL if new else 0))


def delete(table: str, elements: Sequence[Element]) -> None:
    """Removes elements, in few transactions where all are there; those that are not are fine."""
    for start in range(0, len(elements), _AT_ONCE):
        some = elements[start : start + _AT_ONCE]
        if not _deleted(table, some):
            for element in some:
                _deleted(table, [element])


def holds(table: str, element: Element) -> bool:
    """Whether a map has the element with this very value. The kernel removes by key alone, whoever's value it is."""
    key = nested(_NFTA_SET_ELEM_KEY, attribute(_NFTA_DATA_VALUE, element.key))
    body = _set(table, element.set_name) + nested(_NFTA_SET_ELEM_LIST_ELEMENTS, nested(_NFTA_LIST_ELEM, key))
    return element in _elements(element.set_name, _ask(_NFT_MSG_GETSETELEM, 0, body))


def dump(table: str, set_name: str) -> list[Element]:
    """All elements of a set or map; none where it does not exist."""
    return _elements(set_name, _ask(_NFT_MSG_GETSETELEM, DUMP, _set(table, set_name)))


def has_table(table: str) -> bool:
    """Whether a table is there."""
    return bool(_ask(_NFT_MSG_GETTABLE, 0, text(_NFTA_TABLE_NAME, table)))


def has_rules(table: str, chain: str) -> bool:
    """Whether a table is there and has a chain that is not empty."""
    return bool(_ask(_NFT_MSG_GETRULE, DUMP, text(_NFTA_RULE_TABLE, table) + text(_NFTA_RULE_CHAIN, chain)))


def _ask(kind: int, flags: int, body: bytes) -> list[bytes]:
    """The bodies of the answers; none where what is asked about does not exist."""
    try:
        with Netlink(NETFILTER) as channel:
            return channel.ask(_message("ask nftables", kind, flags, body))
    except NetlinkError as error:
        if error.errno == errno.ENOENT:
            return []
        raise


def _elements(set_name: str, answers: Sequence[bytes]) -> list[Element]:
    found: list[Element] = []
    for answer in answers:
        listed = dict(attributes(answer[4:])).get(_NFTA_SET_ELEM_LIST_ELEMENTS, b"")
        for _, item in attributes(listed):
            parts = dict(attributes(item))
            key, value = (_value(parts.get(kind, b"")) for kind in (_NFTA_SET_ELEM_KEY, _NFTA_SET_ELEM_DATA))
            found.append(Element(set_name, key or b"", value))
    return found


def _value(data: bytes) -> bytes | None:
    return dict(attributes(data)).get(_NFTA_DATA_VALUE)


def _deleted(table: str, elements: Sequence[Element]) -> bool:
    """Removes all or none; whether all were there."""
    try:
        _batch(table, elements, _NFT_MSG_DELSETELEM, 0)
    except NetlinkError as error:
        if error.errno != errno.ENOENT:
            raise
        return False
    return True


def _set(table: str, name: str) -> bytes:
    return text(_NFTA_SET_ELEM_LIST_TABLE, table) + text(_NFTA_SET_ELEM_LIST_SET, name)


def _element(element: Element) -> bytes:
    parts = [nested(_NFTA_SET_ELEM_KEY, attribute(_NFTA_DATA_VALUE, element.key))]
    if element.value is not None:
        parts.append(nested(_NFTA_SET_ELEM_DATA, attribute(_NFTA_DATA_VALUE, element.value)))
    return nested(_NFTA_LIST_ELEM, *parts)


def _batch(table: str, elements: Sequence[Element], kind: int, flags: int) -> None:
    """One transaction: all or nothing."""
    purpose = "remove elements" if kind == _NFT_MSG_DELSETELEM else "add elements"
    bodies = [
        _set(table, element.set_name) + nested(_NFTA_SET_ELEM_LIST_ELEMENTS, _element(element)) for element in elements
    ]
    with Netlink(NETFILTER) as channel:
        messages = [_message(purpose, kind, flags | ACK, body) for body in bodies]
        channel.send([_edge(_NFNL_MSG_BATCH_BEGIN), *messages, _edge(_NFNL_MSG_BATCH_END)], whole=True)


def _message(purpose: str, kind: int, flags: int, body: bytes) -> Message:
    return Message(purpose, _NFNL_SUBSYS_NFTABLES << 8 | kind, flags, struct.pack(">BBH", _NFPROTO_INET, 0, 0) + body)


def _edge(kind: int) -> Message:
    """Where a batch begins, and where it ends."""
    return Message("change nftables", kind, 0, struct.pack(">BBH", _NFPROTO_UNSPEC, 0, _NFNL_SUBSYS_NFTABLES))
