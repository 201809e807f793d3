"""Questions and answers of name servers (RFC 1035, section 4)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from lading.store.errors import DocumentError

_HEADER: Final = struct.Struct(">HHHHHH")
_RECORD: Final = struct.Struct(">HHIH")
_RESPONSE: Final = 0x8000
_A, _AAAA = 1, 28
_INTERNET: Final = 1
_NO_SUCH_NAME: Final = 3
_REPLY: Final = 0x8580
"""An answer that is authoritative, with recursion."""
LONGEST_QUERY: Final = 4096
_SECONDS: Final = 1
_MAX_RECORDS: Final = 256
_MAX_NAME: Final = 253
_MAX_JUMPS: Final = 16


def addresses(message: bytes) -> tuple[str, tuple[str, ...]]:
    """The name that was asked for and the addresses that `message` gives, whatever names lie between.

    Raises `DocumentError` for what is no answer to one question.
    """
    try:
        _, flags, questions, answers, _, _ = _HEADER.unpack_from(message)
        if not flags & _RESPONSE or questions != 1:
            raise DocumentError("dns: no answer to one question")
        name, at = _name(message, _HEADER.size)
        return name, tuple(_found(message, at + 4, min(answers, _MAX_RECORDS)))
    except (struct.error, IndexError) as error:
        raise DocumentError("dns: an answer that is cut short") from error


def question(query: bytes) -> str:
    """The name that is asked for. Raises `DocumentError`."""
    try:
        _, flags, questions, _, _, _ = _HEADER.unpack_from(query)
        if flags & _RESPONSE or questions != 1:
            raise DocumentError("dns: not one question")
        return _name(query, _HEADER.size)[0]
    except (struct.error, IndexError) as error:
        raise DocumentError("dns: a question that is cut short") from error


def reply(query: bytes, address: str | None) -> bytes:
    """The answer to one question: this IPv4 address, nothing for other types, no such name without one."""
    name, at = _name(query, _HEADER.size)
    del name
    asked, (kind, family) = query[_HEADER.size : at + 4], struct.unpack_from(">HH", query, at)
    if address is None:
        return query[:2] + struct.pack(">HHHHH", _REPLY | _NO_SUCH_NAME, 1, 0, 0, 0) + asked
    if (kind, family) != (_A, _INTERNET):
        return query[:2] + struct.pack(">HHHHH", _REPLY, 1, 0, 0, 0) + asked
    record = b"\xc0\x0c" + _RECORD.pack(_A, _INTERNET, _SECONDS, 4) + ip_address(address).packed
    return query[:2] + struct.pack(">HHHHH", _REPLY, 1, 1, 0, 0) + asked + record


def _found(message: bytes, at: int, count: int) -> Iterator[str]:
    for _ in range(count):
        _, at = _name(message, at)
        kind, family, _, size = _RECORD.unpack_from(message, at)
        at += _RECORD.size
        data = message[at : at + size]
        at += size
        if family == _INTERNET and (kind, len(data)) in ((_A, 4), (_AAAA, 16)):
            yield str(ip_address(data))


def _name(message: bytes, at: int) -> tuple[str, int]:
    """A name in lower case without its last dot, and where the message goes on."""
    labels: list[str] = []
    after, jumps = 0, 0
    while size := message[at]:
        if size >= 0xC0:
            after = after or at + 2
            at = (size & 0x3F) << 8 | message[at + 1]
            jumps += 1
        else:
            labels.append(_label(message[at + 1 : at + 1 + size]))
            at += 1 + size
        if jumps > _MAX_JUMPS or sum(map(len, labels)) + len(labels) > _MAX_NAME + 1:
            raise DocumentError("dns: a name that is too long")
    return ".".join(labels), after or at + 1


def _label(data: bytes) -> str:
    """A label as it is shown: bytes that are no printable ASCII, and dots, as in RFC 1035, section 5.1."""
    return "".join(
        chr(byte).lower() if 0x21 <= byte < 0x7F and byte not in b".\\" else f"\\{byte:03d}" for byte in data
    )
