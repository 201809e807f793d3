"""A network namespace whose every address is its own: names get addresses of 198.18.0.0/15 (RFC 2544), made up here.

Its listeners lie in the namespace, those who answer outside of it. Nothing leads out, so nothing leaves but what the
gateway sends on behalf of somebody.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from lading.networking import dns
from lading.networking.enclosed import rules
from lading.networking.enclosed.gateway import Gateway
from lading.networking.firewall.observing import destinations
from lading.networking.kernel import namespaces, rtnetlink
from lading.networking.kernel.netlink import Netlink
from lading.networking.observation import Destination, Observation
from lading.store.errors import DocumentError

NAME_SERVER: Final = "198.18.0.1"
"""Which every question reaches, whoever it is sent to."""
_FIRST: Final = int(IPv4Address("198.18.0.2"))
_MOST_NAMES: Final = 65536
_ORIGINAL: Final = 80
"""SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST."""
_LOOPBACK: Final = 1
_BACKLOG: Final = 1024
_MOST_AT_ONCE: Final = 256
"""Connections that are answered at once, and as many questions for names: further ones wait, as at any server."""


class Enclosure:
    """One, at the path `netns`, which must not exist. Raises `OSError`, `MachineError`."""

    def __init__(self, netns: Path, gateway: Gateway) -> None:
        self.netns = netns
        self._gateway = gateway
        self._names: dict[str, str] = {}
        self._addresses: dict[str, str] = {}
        self._lock = threading.Lock()
        self._listeners: list[socket.socket] = []
        self._connections: set[socket.socket] = set()
        self._turns = threading.BoundedSemaphore(_MOST_AT_ONCE)
        self._questions = threading.BoundedSemaphore(_MOST_AT_ONCE)
        self._closed = False
        try:
            namespaces.create(netns, self._open)
        except BaseException:
            self.close()
            raise
        for work in (self._answer_names, self._accept(self._listeners[1]), self._accept(self._listeners[2])):
            threading.Thread(target=work, daemon=True).start()

    def blocked(self) -> Observation:
        """What was sent to others than the gateway, and refused."""
        found = namespaces.inside(self.netns, rules.blocked)
        return Observation(
            tuple(
                Destination(protocol, address, port, (self._names[address],) if address in self._names else ())
                for protocol, address, port in sorted(destinations(found))
            )
        )

    def close(self) -> None:
        """Ends every connection, and lets the namespace go."""
        with self._lock:
            self._closed = True
            ended = [*self._listeners, *self._connections]
        for one in ended:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for one in self._listeners:
            one.close()
        namespaces.remove(self.netns)

    def _open(self) -> None:
        with Netlink() as here:
            here.send([rtnetlink.up(_LOOPBACK), *(rtnetlink.own_everything(size, _LOOPBACK) for size in (4, 16))])
        wanted = (
            (socket.AF_INET, socket.SOCK_DGRAM, "127.0.0.1"),
            (socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1"),
            (socket.AF_INET6, socket.SOCK_STREAM, "::1"),
        )
        for family, kind, place in wanted:
            made = socket.socket(family, kind | socket.SOCK_CLOEXEC)
            self._listeners.append(made)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.bind((place, 0))
            if kind == socket.SOCK_STREAM:
                made.listen(_BACKLOG)
        rules.load(*(one.getsockname()[1] for one in self._listeners))

    # Names

    def _answer_names(self) -> None:
        server = self._listeners[0]
        with suppress(OSError):
            while True:
                query, peer = server.recvfrom(dns.LONGEST_QUERY)
                if not query and self._closed:
                    return
                self._questions.acquire()
                threading.Thread(target=self._answer_name, args=(server, query, peer), daemon=True).start()

    def _answer_name(self, server: socket.socket, query: bytes, peer: tuple[str, int]) -> None:
        try:
            with suppress(DocumentError, OSError):
                name = dns.question(query)
                server.sendto(dns.reply(query, self._address(name) if self._gateway.resolves(name) else None), peer)
        finally:
            self._questions.release()

    def _address(self, name: str) -> str | None:
        with self._lock:
            if name not in self._addresses and len(self._addresses) < _MOST_NAMES:
                address = str(IPv4Address(_FIRST + len(self._addresses)))
                self._addresses[name] = address
                self._names[address] = name
            return self._addresses.get(name)

    # Connections

    def _accept(self, listener: socket.socket) -> Callable[[], None]:
        def run() -> None:
            with suppress(OSError):
                while True:
                    self._turns.acquire()
                    connection, _ = listener.accept()
                    with self._lock:
                        self._connections.add(connection)
                    threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

        return run

    def _serve(self, connection: socket.socket) -> None:
        try:
            with suppress(OSError):
                address, port = _destination(connection)
                self._gateway.serve(connection, self._names.get(address, address), port)
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()
            self._turns.release()


def _destination(connection: socket.socket) -> tuple[str, int]:
    """Where the connection was meant to go."""
    if connection.family == socket.AF_INET:
        raw = connection.getsockopt(socket.SOL_IP, _ORIGINAL, 16)
        return socket.inet_ntoa(raw[4:8]), struct.unpack_from(">H", raw, 2)[0]
    raw = connection.getsockopt(socket.IPPROTO_IPV6, _ORIGINAL, 28)
    return socket.inet_ntop(socket.AF_INET6, raw[8:24]), struct.unpack_from(">H", raw, 2)[0]
