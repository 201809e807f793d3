"""Connections as httpx uses them, with one deadline for all of an exchange but its bodies, judged by where they lead.

What counts is the address that was reached, not how a URL spells it: a name, ``127.1`` and ``[::ffff:7f00:1]`` can
all be this machine. Imported with the first connection, for httpcore costs time.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any, Final

import httpcore

from lading.registry.errors import ProtocolError
from lading.store.fastclass import dataclass

_BEAT: Final = 10.0
"""Seconds between two words to whoever waits."""
_SLICE: Final = 64 * 1024
_MAX_ADDRESSES: Final = 8
_thread: Final = threading.local()


@dataclass(slots=True)
class Exchange:
    """What holds for the exchange under way in this thread."""

    ends: float
    """Monotonic time."""
    where: str = ""
    """The origin asked, for errors."""
    away: bool = False
    """It must not reach this machine."""
    led: bool = False
    """A registry led to it: it must not reach what only this machine's own link has, such as a metadata service."""
    waiting: Callable[[], None] | None = None
    """Called every ten seconds while nothing comes."""

    def left(self, most: float | None = None) -> float:
        """Seconds until the end, at most `most`. Raises `httpcore.ReadTimeout` where there are none."""
        seconds = self.ends - time.monotonic()
        if seconds <= 0:
            raise httpcore.ReadTimeout("timed out")
        return seconds if most is None else min(seconds, most)


@contextmanager
def exchanging(exchange: Exchange) -> Generator[None, None, None]:
    """`exchange` is the one of this thread meanwhile."""
    before = getattr(_thread, "exchange", None)
    _thread.exchange = exchange
    try:
        yield
    finally:
        _thread.exchange = before


def _current() -> Exchange:
    found: Exchange | None = getattr(_thread, "exchange", None)
    return found or Exchange(time.monotonic() + _BEAT)


def is_here(address: str) -> bool:
    """Whether an IP address is this machine, or something that only this machine reaches (169.254.169.254)."""
    found = _plain(address)
    return found.is_loopback or found.is_unspecified or found.is_link_local


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    found = ipaddress.ip_address(address.partition("%")[0])
    return getattr(found, "ipv4_mapped", None) or found


def _check(exchange: Exchange, address: str) -> None:
    """Raises `ProtocolError` where the exchange must not go to `address`."""
    if exchange.away and is_here(address):
        raise ProtocolError(f"{exchange.where}: leads to this machine ({address}); not followed")
    if exchange.led and _plain(address).is_link_local:
        raise ProtocolError(f"{exchange.where}: leads to a link-local address ({address}); not followed")


class Wire(httpcore.NetworkBackend):
    """Makes connections. `direct` is false where they lead to a proxy, whose address says nothing."""

    def __init__(self, *, direct: bool) -> None:
        self._inner = httpcore.SyncBackend()
        self._direct = direct

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """To the first address that answers, all of them within the one deadline."""
        last: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in _addresses(host, port):
            if self._direct:
                _check(_current(), address)
            try:
                left = _current().left(timeout)
                inner = self._inner.connect_tcp(address, port, left, local_address, socket_options)
                return _Stream(inner, (address, port), self._direct)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(str(error)) from error
    return [str(address[0]) for *_, address in found][:_MAX_ADDRESSES]


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, peer: tuple[str, int], direct: bool) -> None:
        self._inner = inner
        self._peer = peer
        self._direct = direct
        self._here = direct and is_here(peer[0])

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        del timeout
        exchange = _current()
        while True:
            step = exchange.left(_BEAT)
            try:
                return self._inner.read(max_bytes, step)
            except httpcore.ReadTimeout:
                if step < _BEAT:
                    raise
            if exchange.waiting:
                exchange.waiting()

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        del timeout
        exchange = _current()
        if self._direct:  # again, for connections are used again
            _check(exchange, self._peer[0])
        view = memoryview(buffer)
        for at in range(0, len(view), _SLICE):
            self._inner.write(bytes(view[at : at + _SLICE]), exchange.left())

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _current().left(timeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._peer, self._direct)

    def get_extra_info(self, info: str) -> Any:
        own = {"here": self._here, "peer": self._peer}
        return own[info] if info in own else self._inner.get_extra_info(info)
