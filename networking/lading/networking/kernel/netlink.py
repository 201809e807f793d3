"""Netlink messages and the socket they travel by (netlink(7))."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final, Self

from lading.store.fastclass import dataclass

NETFILTER: Final = 12
"""The family of sockets (NETLINK_NETFILTER) for nftables and conntrack; 0 is routing."""

REQUEST: Final = 0x1
ACK: Final = 0x4
REPLACE: Final = 0x100
EXCL: Final = 0x200
DUMP: Final = 0x300
CREATE: Final = 0x400

_HEADER: Final = struct.Struct("=IHHII")
_ERROR: Final = 2
_DONE: Final = 3
_NESTED: Final = 0x8000
_SIZE: Final = 256 * 1024


class NetlinkError(OSError):
    """The kernel refused a message; `purpose` says which."""

    def __init__(self, number: int, purpose: str) -> None:
        super().__init__(number, f"{purpose}: {os.strerror(number)}")
        self.purpose = purpose


@dataclass(frozen=True, slots=True)
class Message:
    """A request: what it does in words, its type, its flags beside NLM_F_REQUEST, and its body."""

    purpose: str
    kind: int
    flags: int
    body: bytes


def attribute(kind: int, data: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    size = 4 + len(data)
    return struct.pack("=HH", size, kind) + data + bytes(-size % 4)


def nested(kind: int, *parts: bytes) -> bytes:
    """An attribute of attributes."""
    return attribute(kind | _NESTED, b"".join(parts))


def text(kind: int, value: str) -> bytes:
    """An attribute that is a string."""
    return attribute(kind, value.encode() + b"\0")


def number(kind: int, value: int) -> bytes:
    """An attribute that is a 32-bit number in the host's order."""
    return attribute(kind, struct.pack("=I", value))


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The attributes in `data`, as type and content."""
    at = 0
    while at + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, at)
        if size < 4:
            return
        yield kind & 0x3FFF, data[at + 4 : at + size]
        at += (size + 3) & ~3


class Netlink:
    """A socket in the network namespace of the thread that makes it; a context manager."""

    def __init__(self, family: int = 0) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, family)
        self._socket.bind((0, 0))
        self._sequence = 0

    def _pack(self, message: Message) -> bytes:
        self._sequence += 1
        flags = message.flags | REQUEST
        return _HEADER.pack(16 + len(message.body), message.kind, flags, self._sequence, 0) + message.body

    def send(self, messages: Sequence[Message], *, whole: bool = False) -> None:
        """All in one call; raises the first `NetlinkError` after every message with `ACK` was answered.

        With `whole` the kernel does all or nothing: the first refusal says it all, and others may never be answered.
        """
        first = self._sequence + 1
        self._socket.send(b"".join(map(self._pack, messages)))
        left, failure = sum(bool(message.flags & ACK) for message in messages), None
        while left and not (whole and failure):
            for kind, sequence, body in _split(self._socket.recv(_SIZE)):
                if kind != _ERROR or sequence < first:
                    continue
                left -= 1
                code = -struct.unpack_from("=i", body)[0]
                if code and failure is None:
                    failure = NetlinkError(code, messages[sequence - first].purpose)
        if failure is not None:
            raise failure

    def ask(self, message: Message) -> list[bytes]:
        """The bodies of the answers. Raises `NetlinkError`."""
        self._socket.send(self._pack(message))
        found: list[bytes] = []
        while True:
            for kind, sequence, body in _split(self._socket.recv(_SIZE)):
                if sequence != self._sequence:
                    continue
                if kind == _ERROR and (code := -struct.unpack_from("=i", body)[0]):
                    raise NetlinkError(code, message.purpose)
                if kind in (_ERROR, _DONE):
                    return found
                found.append(body)
            if found and not message.flags & DUMP:
                return found
            if not found and not message.flags & DUMP and message.flags & ACK:
                raise NetlinkError(errno.EPROTO, message.purpose)

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()


def _split(data: bytes) -> list[tuple[int, int, bytes]]:
    """Type, sequence number and body of each message."""
    found: list[tuple[int, int, bytes]] = []
    at = 0
    while at + 16 <= len(data):
        size, kind, _, sequence, _ = _HEADER.unpack_from(data, at)
        found.append((kind, sequence, data[at + 16 : at + size]))
        at += (size + 3) & ~3
    return found
