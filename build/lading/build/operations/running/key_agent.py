"""An ssh agent of this process: it tells its keys and signs, and knows no other request (draft-ietf-sshm-ssh-agent).

Its socket has no name once it is there: only who may look into this process reaches it, and a
killed one leaves nothing.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer
from threading import Thread
from typing import Final

from lading.build.operations.running.ssh_keys import SshKey, string
from lading.store.fastclass import dataclass

_FAILURE: Final = b"\5"
_IDENTITIES, _TOLD = 11, b"\x0c"
_SIGN, _SIGNED = 13, b"\x0e"
_LONGEST: Final = 256 * 1024
"""Bytes of a message; OpenSSH's own bound."""


@dataclass(frozen=True, slots=True)
class KeyAgent:
    """An agent with `keys`."""

    keys: tuple[SshKey, ...]

    @contextmanager
    def serving(self) -> Generator[str, None, None]:
        """The path of its socket, which means it in this process alone, while the block lasts. Raises `OSError`."""
        with ExitStack() as stack:
            with tempfile.TemporaryDirectory(prefix="lading-agent-") as folder:
                server = stack.enter_context(_Server(folder, self.keys))
                socket = os.open(Path(folder, "s"), os.O_PATH | os.O_CLOEXEC)
                stack.callback(os.close, socket)
            thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            yield f"/proc/self/fd/{socket}"


class _Server(ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, folder: str, keys: tuple[SshKey, ...]) -> None:
        self.keys = keys
        place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            super().__init__(f"/proc/self/fd/{place}/s", _Caller)  # however long the path is
        finally:
            os.close(place)

    def handle_error(self, request: object, client_address: object) -> None:
        """Somebody hung up in the middle of a word: the other callers go on."""


class _Caller(StreamRequestHandler):
    def handle(self) -> None:
        """Answers one caller until that hangs up, or says what is no message."""
        assert isinstance(self.server, _Server)
        while len(head := self.rfile.read(4)) == 4 and 0 < (length := int.from_bytes(head, "big")) <= _LONGEST:
            message = self.rfile.read(length)
            if len(message) < length:
                return
            self.wfile.write(string(answer(self.server.keys, message)))


def answer(keys: Sequence[SshKey], message: bytes) -> bytes:
    """What an agent with `keys` says to `message`."""
    if message[0] == _IDENTITIES:
        told = b"".join(string(key.blob) + string(b"") for key in keys)
        return _TOLD + len(keys).to_bytes(4, "big") + told
    if message[0] == _SIGN:
        blob, rest = _string(message[1:])
        data, flags = _string(rest)
        key = next((one for one in keys if one.blob == blob), None)
        signature = key.sign(data, int.from_bytes(flags, "big")) if key and len(flags) == 4 else None
        return _FAILURE if signature is None else _SIGNED + string(signature)
    return _FAILURE


def _string(data: bytes) -> tuple[bytes, bytes]:
    """The string that `data` begins with, and the rest; two empty ones where there is none."""
    end = 4 + int.from_bytes(data[:4], "big")
    return (data[4:end], data[end:]) if 4 <= end <= len(data) else (b"", b"")
