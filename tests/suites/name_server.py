"""A name server for tests: fixed addresses by name, over UDP (RFC 1035)."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Mapping
from ipaddress import ip_address


def reply(query: bytes, names: Mapping[str, str]) -> bytes:
    """The answer to a query: a chain of one alias, and the address; no such name for one that is not there."""
    labels: list[str] = []
    at = 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    question = query[12 : at + 5]
    kind = struct.unpack_from(">H", query, at + 1)[0]
    given = names.get(".".join(labels).lower())
    if given is None:
        return query[:2] + struct.pack(">HHHHH", 0x8183, 1, 0, 0, 0) + question
    address = ip_address(given).packed
    if kind != (1 if len(address) == 4 else 28):
        return query[:2] + struct.pack(">HHHHH", 0x8180, 1, 0, 0, 0) + question
    alias = b"\x05alias\x07example\x00"
    first = b"\xc0\x0c" + struct.pack(">HHIH", 5, 1, 60, len(alias)) + alias
    second = alias + struct.pack(">HHIH", kind, 1, 60, len(address)) + address
    return query[:2] + struct.pack(">HHHHH", 0x8180, 1, 2, 0, 0) + question + first + second


def serve(server: socket.socket, names: Mapping[str, str]) -> None:
    """Answers what comes to the socket, in a thread, until the process ends."""

    def run() -> None:
        while True:
            query, peer = server.recvfrom(512)
            server.sendto(reply(query, names), peer)

    threading.Thread(target=run, daemon=True).start()
