"""What a further process in a container has as its streams: pipes or a terminal of its own, never the caller's.

A descriptor of the caller would let the process read what is typed at the caller's terminal after it ended, or read
and truncate the file that its output goes to.
"""

from __future__ import annotations

import array
import fcntl
import os
import select
import socket
import struct
import termios
from contextlib import suppress
from pathlib import Path
from typing import Final

from lading.runtime.options import Streams
from lading.runtime.process.relay import Relay
from lading.store.errors import MachineError

_CHUNK: Final = 1 << 16
_CONSOLE: Final = "console"


class Ends:
    """The ends of the pipes: `theirs` (its number: ours) for the process, the others for the session."""

    def __init__(self, *, stdin: bool) -> None:
        self.output, out = os.pipe2(os.O_CLOEXEC)
        self.errors, err = os.pipe2(os.O_CLOEXEC)
        self.input: int | None = None
        if stdin:
            given, self.input = os.pipe2(os.O_CLOEXEC)
        else:
            given = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        self.theirs = {0: given, 1: out, 2: err}

    def started(self) -> None:
        """The process has its ends."""
        for fd in self.theirs.values():
            os.close(fd)
        self.theirs = {}

    def close(self) -> None:
        """Closes what is still open."""
        self.started()
        for fd in (self.output, self.errors, *([] if self.input is None else [self.input])):
            os.close(fd)


class Piped(Relay):
    """A session over pipes with the process whose pidfd is `process`; it ends when that does, whoever still writes."""

    chunk = _CHUNK

    def __init__(self, ends: Ends, process: int, streams: Streams) -> None:
        for fd in (ends.output, ends.errors, *([] if ends.input is None else [ends.input])):
            os.set_blocking(fd, False)
        outputs = (ends.output, ends.errors, process)
        super().__init__(streams, outputs, ends.input, stdin=ends.input is not None)
        self._ends = ends
        self._process = process

    def receive(self, fd: int) -> bool:
        """What a pipe has now; when the process ended, what both still have."""
        if fd != self._process:
            self._take(fd)
            return True
        for pipe in self.outputs - {fd}:
            while self._take(pipe):
                pass
        return False

    def _take(self, pipe: int) -> bool:
        try:
            data = os.read(pipe, _CHUNK)
        except BlockingIOError:
            return False
        if data:
            self.tell(memoryview(data), stdout=pipe == self._ends.output)
        else:
            self.forget(pipe)
        return bool(data)

    def close_input(self) -> None:
        """The other end reads the end of the file."""
        if self._ends.input is not None:
            os.close(self._ends.input)
            self._ends.input = self._sink = None


class Terminal(Relay):
    """A session over the leading side of a terminal that the OCI runtime made inside."""

    chunk = _CHUNK

    def __init__(self, leader: int, process: int, streams: Streams, *, stdin: bool) -> None:
        os.set_blocking(leader, False)
        super().__init__(streams, (leader, process), leader, stdin=stdin)
        self._leader = leader
        self._process = process

    def receive(self, fd: int) -> bool:
        """What was written to it; EIO says that nobody has it open any more."""
        if fd != self._process:
            self._take()
            return True
        while self._leader in self.outputs and self._take():
            pass
        return False

    def _take(self) -> bool:
        try:
            data = os.read(self._leader, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if data:
            self.tell(memoryview(data), stdout=True)
        else:
            self.forget(self._leader)
            self._sink = None
        return bool(data)

    def close_input(self) -> None:
        """A terminal stays open for as long as the process lives."""


class Console:
    """The socket over which a runtime hands the leading side of a terminal; `path` is short wherever it lies."""

    def __init__(self, folder: Path) -> None:
        self._folder = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.path = f"/proc/{os.getpid()}/fd/{self._folder}/{_CONSOLE}"
        self._file = folder / _CONSOLE
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(self.path)
        self._socket.listen(1)

    def leader(self, process: int) -> int | None:
        """Waits for it; None where the runtime, whose pidfd is `process`, ended without."""
        poll = select.poll()
        for fd in (self._socket.fileno(), process):
            poll.register(fd, select.POLLIN)
        if self._socket.fileno() not in dict(poll.poll()):
            return None
        connection, _ = self._socket.accept()
        with connection:
            return _received(connection)

    def close(self) -> None:
        """Removes the socket."""
        self._socket.close()
        self._file.unlink(missing_ok=True)
        os.close(self._folder)


def _received(connection: socket.socket) -> int:
    size = array.array("i").itemsize
    _, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_LEN(size), socket.MSG_CMSG_CLOEXEC)
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            return int(array.array("i", data[:size])[0])
    raise MachineError("the OCI runtime handed over no terminal")


def resize(leader: int, rows: int, columns: int) -> None:
    """Sets the size of a terminal."""
    with suppress(OSError):
        fcntl.ioctl(leader, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
