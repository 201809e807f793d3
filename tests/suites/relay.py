"""A TCP relay to a server on loopback that cuts one connection once, when so many bytes went through it in all."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Generator
from contextlib import contextmanager

_RESET = struct.pack("ii", 1, 0)


class Relay:
    """Counts the bytes of all connections, both ways; `cut` is set when the one was cut that crossed the mark."""

    def __init__(self, target: str, after: int | None) -> None:
        host, _, port = target.rpartition(":")
        self.target = (host, int(port))
        self.after = after
        self.count = 0
        self.cut = threading.Event()
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.open: list[socket.socket] = []

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.target)
                self.open += [client, server]
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self.pump, args=(source, sink), daemon=True).start()

    def pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                allowed = self.allowed(len(data))
                sink.sendall(data[:allowed])
                if allowed < len(data):
                    for end in (source, sink):
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                        end.shutdown(socket.SHUT_RDWR)
                    return
            sink.shutdown(socket.SHUT_WR)

    def allowed(self, count: int) -> int:
        """How many of so many bytes may pass."""
        with self.lock:
            before, self.count = self.count, self.count + count
            if self.after is None or self.cut.is_set() or self.count <= self.after:
                return count
            self.cut.set()
            return self.after - before

    def close(self) -> None:
        for end in (self.listener, *self.open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def relay(target: str, after: int | None = None) -> Generator[Relay, None, None]:
    """A relay to ``host:port``, on `address`; None cuts nothing."""
    made = Relay(target, after)
    threading.Thread(target=made.serve, daemon=True).start()
    try:
        yield made
    finally:
        made.close()
