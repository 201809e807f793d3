"""A socket behind which an ssh agent tells its keys and signs, and does nothing else (draft-ietf-sshm-ssh-agent, §3).

Whoever is lent an agent shall neither add keys to it nor take any away, lock it or look at how it is set up: every
other request is answered as one that failed, and does not reach the agent.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingUnixStreamServer
from threading import Thread
from typing import Final

_FAILURE: Final = b"\5"
_ALLOWED: Final = frozenset({11, 13})
"""SSH_AGENTC_REQUEST_IDENTITIES and SSH_AGENTC_SIGN_REQUEST."""
_LONGEST: Final = 256 * 1024
"""Bytes of a message; OpenSSH's own bound."""


class _Server(ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, place: Path, agent: str | Callable[[bytes], bytes]) -> None:
        self.agent = agent
        folder = os.open(place.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            super().__init__(f"/proc/self/fd/{folder}/{place.name}", _Caller)  # however long the path is
        finally:
            os.close(folder)

    def handle_error(self, request: object, client_address: object) -> None:
        """Somebody hung up in the middle of a word: the other callers go on."""


class _Caller(BaseRequestHandler):
    request: socket.socket

    def handle(self) -> None:
        """Answers one caller until that hangs up."""
        assert isinstance(self.server, _Server)
        with ExitStack() as stack:
            agent = self.server.agent
            ask = _caller(stack, agent) if isinstance(agent, str) else agent
            while message := _message(self.request):
                answer = ask(message) if message[0] in _ALLOWED else _FAILURE
                self.request.sendall(_framed(answer))


def _caller(stack: ExitStack, place: str) -> Callable[[bytes], bytes]:
    agent = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    agent.connect(place)

    def ask(message: bytes) -> bytes:
        agent.sendall(_framed(message))
        return _message(agent) or _FAILURE

    return ask


def _framed(message: bytes) -> bytes:
    return struct.pack(">I", len(message)) + message


def _message(stream: socket.socket) -> bytes:
    """The next message, without its length; nothing at the end, or where there is none."""
    head = _exactly(stream, 4)
    if len(head) < 4 or not 0 < (length := struct.unpack(">I", head)[0]) <= _LONGEST:
        return b""
    body = _exactly(stream, length)
    return body if len(body) == length else b""


def _exactly(stream: socket.socket, length: int) -> bytes:
    parts: list[bytes] = []
    while length and (part := stream.recv(length)):
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


@contextmanager
def lent_agent(
    place: Path, agent: str | Callable[[bytes], bytes], uid: int, gid: int, mode: int
) -> Generator[None, None, None]:
    """A socket at `place` while the block lasts, for an agent at another or one that answers here. Raises `OSError`."""
    with _Server(place, agent) as server:
        os.chown(place, uid, gid)
        os.chmod(place, mode)
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            with suppress(OSError):
                place.unlink()
