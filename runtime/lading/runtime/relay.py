"""Carries bytes between the caller's streams and a container's, until its output ends or the caller detaches."""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from lading.runtime.options import Streams

DETACH_KEYS: Final = b"\x10\x11"
"""Ctrl-P, Ctrl-Q: docker's default."""
_STDOUT: Final = 2
_CHUNK: Final = 8192
_PACKET: Final = _CHUNK + 1


class Relay:
    """One attached session over conmon's socket: packets of a stream's number and bytes come, plain bytes go."""

    def __init__(
        self, attached: socket.socket, streams: Streams, *, stdin: bool, tty: bool, on_signal: Callable[[int], None]
    ) -> None:
        self._socket = attached
        self._streams = streams
        self._stdin = streams.stdin if stdin else None
        self._tty = tty
        self._on_signal = on_signal
        self._unsent = b""
        self._blocked = False
        self._keys = b""
        self._poll = select.poll()

    def run(self) -> bool:
        """True when the container's output ended, False when the caller detached."""
        self._socket.setblocking(False)
        self._poll.register(self._socket, select.POLLIN)
        self._listen(self._streams.signals)
        self._listen(self._stdin)
        while True:
            for fd, _ in self._poll.poll():
                if fd == self._socket.fileno():
                    if not self._from_container():
                        return True
                elif fd == self._streams.signals:
                    self._signals(fd)
                elif not self._from_caller(fd):
                    return False

    def _listen(self, fd: int | None) -> None:
        if fd is not None:
            self._poll.register(fd, select.POLLIN)

    def _signals(self, fd: int) -> None:
        for number in os.read(fd, 64):
            self._on_signal(number)

    def _from_container(self) -> bool:
        self._send()
        try:
            packet = self._socket.recv(_PACKET)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        if packet:
            target = self._streams.stdout if packet[0] == _STDOUT else self._streams.stderr
            with suppress(BrokenPipeError):
                write(target, memoryview(packet)[1:])
        return bool(packet)

    def _from_caller(self, fd: int) -> bool:
        try:
            data = os.read(fd, _CHUNK)
        except OSError:
            data = b""
        if self._tty and self._detaches(data):
            return False
        if not data:
            self._stop_input(fd)
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
            return True
        self._unsent = data
        self._send()
        return True

    def _stop_input(self, fd: int) -> None:
        self._poll.unregister(fd)
        self._stdin = None

    def _send(self) -> None:
        """Sends what was read; while the container does not take it, nothing more is read."""
        if not self._unsent:
            return
        try:
            self._socket.send(self._unsent)
        except BlockingIOError:
            if self._stdin is not None and not self._blocked:
                self._poll.modify(self._socket, select.POLLIN | select.POLLOUT)
                self._poll.unregister(self._stdin)
                self._blocked = True
            return
        except OSError:
            pass
        self._unsent = b""
        if self._blocked:
            self._blocked = False
            self._poll.modify(self._socket, select.POLLIN)
            self._listen(self._stdin)

    def _detaches(self, data: bytes) -> bool:
        self._keys = (self._keys + data)[-len(DETACH_KEYS) :]
        return self._keys == DETACH_KEYS


def write(fd: int, data: memoryview) -> None:
    """Writes all of `data`, waiting where the descriptor does not block."""
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            waiter = select.poll()
            waiter.register(fd, select.POLLOUT)
            waiter.poll()


def forward(process_fd: int) -> Callable[[int], None]:
    """Passes signals on to a process, by its pidfd."""

    def send(number: int) -> None:
        with suppress(OSError):
            signal.pidfd_send_signal(process_fd, number)

    return send
