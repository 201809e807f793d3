"""The socket by which a step is lent an ssh agent: it tells keys and signs, and nothing else reaches the agent."""

from __future__ import annotations

import os
import socket
import stat
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer

import pytest

from lading.build.graph.executor import ExecMount, ProcessSpec
from lading.runtime.lifecycle.ssh_relay import lent_agent
from lading.runtime.sandbox import Sandbox
from suites.executor_contract import Written
from suites.executor_images import Harbour, fill
from suites.machine import needs

FAILURE = b"\0\0\0\1\5"
ASKED: list[int] = []


class _Agent(StreamRequestHandler):
    """Answers every message with one that says how it was asked."""

    def handle(self) -> None:
        while head := self.rfile.read(4):
            body = self.rfile.read(struct.unpack(">I", head)[0])
            ASKED.append(body[0])
            answer = b"\x0c" + body
            self.wfile.write(struct.pack(">I", len(answer)) + answer)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[str]:
    ASKED.clear()
    with ThreadingUnixStreamServer(str(tmp_path / "agent"), _Agent) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield str(tmp_path / "agent")
        server.shutdown()


def ask(place: Path, *messages: bytes) -> list[bytes]:
    found: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.connect(str(place))
        for message in messages:
            stream.sendall(struct.pack(">I", len(message)) + message)
            head = stream.recv(4, socket.MSG_WAITALL)
            found.append(head + stream.recv(struct.unpack(">I", head)[0], socket.MSG_WAITALL))
    return found


def test_keys_are_told_and_used(agent: str, tmp_path: Path) -> None:
    with lent_agent(tmp_path / "lent", agent, 5, 6, 0o640):
        info = os.stat(tmp_path / "lent")
        assert (stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid) == (0o640, 5, 6)
        assert ask(tmp_path / "lent", b"\x0b", b"\x0dkey") == [b"\0\0\0\2\x0c\x0b", b"\0\0\0\5\x0c\x0dkey"]
    assert not (tmp_path / "lent").exists()
    assert ASKED == [11, 13]


@pytest.mark.parametrize("kind", [1, 9, 17, 18, 19, 20, 21, 22, 23, 25, 26, 27, 200])
def test_nothing_else_reaches_the_agent(agent: str, tmp_path: Path, kind: int) -> None:
    with lent_agent(tmp_path / "lent", agent, 0, 0, 0o600):
        assert ask(tmp_path / "lent", bytes([kind]) + b"rest", b"\x0b") == [FAILURE, b"\0\0\0\2\x0c\x0b"]
    assert ASKED == [11]


def test_what_is_no_message_ends_the_talk_and_no_other(agent: str, tmp_path: Path) -> None:
    with lent_agent(tmp_path / "lent", agent, 0, 0, 0o600):
        for words in (b"", b"\0\0", b"\0\0\0\0", b"\xff\xff\xff\xff\x0b"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
                stream.connect(str(tmp_path / "lent"))
                stream.sendall(words)
                stream.shutdown(socket.SHUT_WR)
                with suppress(ConnectionResetError):  # what it did not read
                    assert stream.recv(1) == b""
        assert ask(tmp_path / "lent", b"\x0b")
    assert ASKED == [11]


@pytest.mark.parametrize("kind", [1, 9, 17, 200])
def test_an_agent_of_this_process_is_asked_the_same(tmp_path: Path, kind: int) -> None:
    asked: list[bytes] = []

    def answer(message: bytes) -> bytes:
        asked.append(message)
        return b"\x0c" + message

    with lent_agent(tmp_path / "lent", answer, 0, 0, 0o600):
        assert ask(tmp_path / "lent", bytes([kind]), b"\x0b", b"\x0dkey") == [
            FAILURE,
            b"\0\0\0\2\x0c\x0b",
            b"\0\0\0\5\x0c\x0dkey",
        ]
    assert asked == [b"\x0b", b"\x0dkey"]


def test_however_long_its_path_is_it_leaves_nothing(tmp_path: Path) -> None:
    long = tmp_path / ("d" * 150)
    long.mkdir()
    others = set(threading.enumerate())
    with pytest.raises(ZeroDivisionError), lent_agent(long / "lent", bytes, 0, 0, 0o600):
        (own,) = set(threading.enumerate()) - others
        assert os.path.exists(long / "lent")
        raise ZeroDivisionError
    assert not own.is_alive()
    assert not list(long.iterdir())


@needs("root", "overlay", "crun", "busybox")
def test_a_step_sees_the_socket(harbour: Harbour, agent: str, tmp_path: Path) -> None:
    rootfs = fill(tmp_path / "rootfs")
    mounts = (ExecMount("agent", "/run/buildkit/ssh_agent.0", agent, uid=1000, gid=1001, mode=0o600),)
    script = "test -S /run/buildkit/ssh_agent.0 && stat -c '%a %u %g' /run/buildkit/ssh_agent.0"
    written = Written()
    process = ProcessSpec(("sh", "-c", script), (("PATH", "/bin"),), mounts=mounts)
    assert Sandbox(harbour.config, None).execute(rootfs, process, written) == 0
    assert written.text() == "600 1000 1001\n"
    assert not (rootfs / "run/buildkit").exists()
    assert harbour.gone() == []
