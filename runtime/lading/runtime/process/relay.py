"""Carries bytes between the caller's streams and a container's, until its output ends or the caller detaches."""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from lading.runtime.options import Streams
from lading.store.errors import MachineError

if TYPE_CHECKING:
    import socket

_STDOUT: Final = 2
_CHUNK: Final = 8192
_PACKET: Final = _CHUNK + 1


class LostError(MachineError):
    """The caller cannot be told any more: nobody reads its output, it is full, or its terminal was closed."""

    def __init__(self, number: int, where: str) -> None:
        super().__init__(f"{where}: {os.strerror(number)}")
        self.exit_code = {errno.EPIPE: 141, errno.EIO: 129}.get(number, 125)


class Relay:
    """One session: what comes from `outputs` goes to the caller, what the caller types goes to `sink`.

    The kinds of session say in `receive` how output is read.
    """

    chunk = _CHUNK

    def __init__(
        self, streams: Streams, outputs: Collection[int], sink: int | None, *, stdin: bool, keys: bytes = b""
    ) -> None:
        self.outputs = set(outputs)
        self._streams = streams
        self._sink = sink
        self._stdin = streams.stdin if stdin else None
        self._detach_keys = keys
        self._keys = self._unsent = b""
        self._terminals = [fd for fd in (streams.stdin, streams.stdout, streams.stderr) if fd is not None and _tty(fd)]
        self._poll = select.poll()

    def run(self) -> bool:
        """True when the container's output ended, False when the caller detached. Raises `LostError`."""
        for fd in self.outputs:
            self._poll.register(fd, select.POLLIN)
        self._listen()
        while True:
            for fd, events in self._poll.poll():
                if fd == self._sink and (events & select.POLLOUT or fd not in self.outputs):
                    self._send()
                if fd in self.outputs and events & ~select.POLLOUT:
                    if not self.receive(fd):
                        return True
                elif fd == self._stdin and not self._from_caller(fd, events):
                    return False

    def receive(self, fd: int) -> bool:
        """Takes what `fd` has, and hands it to `tell`; False when all output ended."""
        raise NotImplementedError

    def close_input(self) -> None:
        """Tells the container that nothing more will be typed."""
        raise NotImplementedError

    def tell(self, data: memoryview, *, stdout: bool) -> None:
        """Writes output for the caller. Raises `LostError`."""
        try:
            write(self._streams.stdout if stdout else self._streams.stderr, data)
        except OSError as error:
            number = errno.EIO if self.hung_up() else error.errno or errno.EIO
            raise LostError(number, "standard output" if stdout else "standard error") from error

    def hung_up(self) -> bool:
        """Whether a terminal of the caller was closed."""
        poll = select.poll()
        for fd in self._terminals:
            poll.register(fd, 0)
        return any(events & select.POLLHUP for _, events in poll.poll(0))

    def forget(self, fd: int) -> None:
        """Listens no more to an output that ended."""
        self.outputs.discard(fd)
        self._poll.unregister(fd)

    def _listen(self) -> None:
        if self._stdin is not None:
            self._poll.register(self._stdin, select.POLLIN)

    def _from_caller(self, fd: int, events: int) -> bool:
        if fd in self._terminals and events & select.POLLHUP:
            raise LostError(errno.EIO, "the terminal")
        try:
            data = os.read(fd, self.chunk)
        except OSError:
            data = b""
        if self._detach_keys and self._detaches(data):
            return False
        if data:
            self._unsent = data
            self._send()
        else:
            self._stop_input()
        return True

    def _stop_input(self) -> None:
        if self._stdin is None:
            return
        self._ignore(self._stdin)
        if self._sink is not None and self._sink not in self.outputs:
            self._ignore(self._sink)
        self._stdin = None
        self.close_input()

    def _send(self) -> None:
        """Sends what was read; while the container does not take it, nothing more is read."""
        if self._sink is None:
            return
        try:
            sent = os.write(self._sink, self._unsent) if self._unsent else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self._unsent = b""
            self._stop_input()
            return
        self._unsent = self._unsent[sent:]
        self._block(self._sink, blocked=bool(self._unsent))

    def _block(self, sink: int, *, blocked: bool) -> None:
        mask = select.POLLIN * (sink in self.outputs) | select.POLLOUT * blocked
        if mask:
            self._poll.register(sink, mask)
        else:
            self._ignore(sink)
        if not blocked:
            self._listen()
        elif self._stdin is not None:
            self._ignore(self._stdin)

    def _ignore(self, fd: int) -> None:
        with suppress(KeyError):
            self._poll.unregister(fd)

    def _detaches(self, data: bytes) -> bool:
        self._keys = (self._keys + data)[-len(self._detach_keys) :]
        return self._keys == self._detach_keys


class Attached(Relay):
    """A session over conmon's socket: packets of a stream's number and bytes come, plain bytes go."""

    def __init__(self, attached: socket.socket, streams: Streams, *, stdin: bool, keys: bytes) -> None:
        attached.setblocking(False)
        super().__init__(streams, (attached.fileno(),), attached.fileno(), stdin=stdin, keys=keys)
        self._socket = attached

    def receive(self, fd: int) -> bool:
        """One packet."""
        del fd
        try:
            packet = self._socket.recv(_PACKET)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        if packet:
            self.tell(memoryview(packet)[1:], stdout=packet[0] == _STDOUT)
        return bool(packet)

    def close_input(self) -> None:
        """A half-closed socket."""
        from socket import SHUT_WR  # noqa: PLC0415

        with suppress(OSError):
            self._socket.shutdown(SHUT_WR)


def write(fd: int, data: memoryview) -> None:
    """Writes all of `data`, waiting where the descriptor does not block."""
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            waiter = select.poll()
            waiter.register(fd, select.POLLOUT)
            waiter.poll()


def _tty(fd: int) -> bool:
    try:
        return os.isatty(fd)
    except OSError:
        return False
