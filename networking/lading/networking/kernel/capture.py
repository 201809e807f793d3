"""Packets copied as they leave by a link: the UDP answers of name servers to who is behind it (packet(7)).

They wait in the socket's buffer, which is bounded, until they are read; those that find no place are lost.
"""

from __future__ import annotations

import socket
import struct
from array import array
from contextlib import suppress
from typing import Final

_ETH_P_ALL: Final = 3
_SO_ATTACH_FILTER: Final = 26
_SO_RCVBUFFORCE: Final = 33
_BUFFER: Final = 2 << 20
_LONGEST: Final = 1 << 16

# linux/filter.h: what is loaded from outside the packet lies at negative offsets.
_PROTOCOL, _PACKET_TYPE = 0xFFFFF000, 0xFFFFF004
_OUTGOING, _UDP, _DNS = 4, 17, 53
_LOAD_BYTE, _LOAD_HALF, _LOAD_HALF_X, _HEADER_X = 0x30, 0x28, 0x48, 0xB1
_EQUAL, _SET, _RETURN = 0x15, 0x45, 0x06
# Each: code, how many to skip where true and where false, value.
_ANSWERS: Final = (
    (_LOAD_BYTE, 0, 0, _PACKET_TYPE),
    (_EQUAL, 0, 14, _OUTGOING),
    (_LOAD_HALF, 0, 0, _PROTOCOL),
    (_EQUAL, 0, 7, 0x0800),
    (_LOAD_BYTE, 0, 0, 9),
    (_EQUAL, 0, 10, _UDP),
    (_LOAD_HALF, 0, 0, 6),
    (_SET, 8, 0, 0x1FFF),
    (_HEADER_X, 0, 0, 0),
    (_LOAD_HALF_X, 0, 0, 0),
    (_EQUAL, 4, 5, _DNS),
    (_EQUAL, 0, 4, 0x86DD),
    (_LOAD_BYTE, 0, 0, 6),
    (_EQUAL, 0, 2, _UDP),
    (_LOAD_HALF, 0, 0, 40),
    (_EQUAL, 0, 1, _DNS),
    (_RETURN, 0, 0, _LONGEST),
    (_RETURN, 0, 0, 0),
)


class NameAnswers:
    """The answers that leave by the link `link`, from now on. Raises `OSError`."""

    def __init__(self, link: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 0)
        with suppress(PermissionError):
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        self._attach()
        self._socket.bind((link, _ETH_P_ALL))

    def _attach(self) -> None:
        code = array("B", b"".join(struct.pack("=HBBI", *one) for one in _ANSWERS))
        program = struct.pack("HP", len(_ANSWERS), code.buffer_info()[0])
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)

    def read(self) -> list[bytes]:
        """What was said since the last call, as messages of RFC 1035."""
        found: list[bytes] = []
        with suppress(BlockingIOError):
            while True:
                found.append(_message(self._socket.recv(_LONGEST, socket.MSG_DONTWAIT)))
        return found

    def close(self) -> None:
        """Ends it, which takes the kernel some milliseconds."""
        self._socket.close()


def _message(packet: bytes) -> bytes:
    """What a UDP packet of IPv4 or IPv6 carries."""
    head = (packet[0] & 0xF) * 4 if packet[0] >> 4 == 4 else 40
    return packet[head + 8 :]
