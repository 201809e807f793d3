"""conmon, one small C process per container: its parent, its log writer, the keeper of its standard streams.

Its protocol, as of 2.1: a line of JSON on the pipe _OCI_SYNCPIPE gives the container's pid, or -1 and the OCI
runtime's words; BUNDLE/attach is a SEQPACKET socket; BUNDLE/ctl takes ``1 ROWS COLUMNS``; PERSIST/exit appears when the
container ends, with its exit code; after that the exit command runs.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Final, NamedTuple

from lading.runtime import processes
from lading.runtime.crun import ENV, Runtime, start_error
from lading.store.errors import MachineError
from lading.store.strict import Fields, parse

_SYNC: Final = 3

Exit = tuple[str, ...]


class Monitored(NamedTuple):
    """What `start` made: the created container's first process, and its monitor."""

    process: processes.Process
    monitor: processes.Process


class Conmon:
    """How to start a monitor for one container.

    `bundle` is a short-lived folder that holds config.json; it and `sockets`, whose path is short, are without colons.
    """

    def __init__(
        self,
        path: str,
        runtime: Runtime,
        *,
        container: str,
        name: str,
        bundle: Path,
        sockets: Path,
        log: Path,
        exit_command: Exit,
    ) -> None:
        self.path = path
        self.runtime = runtime
        self.container = container
        self.name = name
        self.bundle = bundle
        self.sockets = sockets
        self.log = log
        self.exit_command = exit_command

    def start(self, *, stdin: bool, tty: bool, keep_stdin: bool, durable: bool, program: str) -> Monitored:
        """Creates the container under a new monitor. Raises `StartError`, `MachineError`."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            os.symlink(self.log, self.bundle / "log")
            errors = os.open(self.bundle / "conmon.err", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
            keep = {0: null, 1: null, 2: errors, _SYNC: writing}
            env = {**ENV, "_OCI_SYNCPIPE": str(_SYNC), "TMPDIR": str(self.sockets)}
            argv = self._argv(stdin=stdin, tty=tty, keep_stdin=keep_stdin, durable=durable)
            # conmon leaves a file `oom` in its working folder, which would else be wherever the caller stands.
            pid = processes.spawn([processes.find("env"), f"--chdir={self.bundle}", *argv], env, keep=keep)
        finally:
            os.close(writing)
        os.close(null)
        os.close(errors)
        with open(reading, "rb") as sync:
            code = processes.wait(pid)
            answer = sync.readline(1 << 16)
        return self._read(answer, code, program)

    def _read(self, answer: bytes, code: int, program: str) -> Monitored:
        if not answer:
            words = (self.bundle / "conmon.err").read_text(errors="replace").strip()
            raise MachineError(f"conmon failed with exit code {code}: {' '.join(words.split()) or 'no reason given'}")
        fields = Fields(parse(answer, "conmon's answer"), "conmon's answer")
        pid = fields.integer("data")
        if pid <= 0:
            raise start_error(fields.optional_text("message") or "", program)
        process = processes.Process.of(pid)
        monitor = processes.Process.of(int((self.bundle / "conmon.pid").read_text()))
        if process is None or monitor is None:
            raise MachineError("the container ended before it was started")
        return Monitored(process, monitor)

    def _argv(self, *, stdin: bool, tty: bool, keep_stdin: bool, durable: bool) -> list[str]:
        log = f"k8s-file:{self.bundle / 'log'}"
        argv = [self.path, "--api-version", "1", "--cid", self.container, "--cuuid", self.container]
        argv += ["--name", self.name, "--runtime", self.runtime.path, "--runtime-arg", "--root"]
        argv += ["--runtime-arg", str(self.runtime.state), "--bundle", str(self.bundle), "--full-attach"]
        argv += ["--persist-dir", str(self.bundle), "--log-path", log, "--log-level", "error"]
        argv += ["--container-pidfile", str(self.bundle / "pid"), "--conmon-pidfile", str(self.bundle / "conmon.pid")]
        argv += ["--stdin"] * stdin + ["--terminal"] * tty + ["--leave-stdin-open"] * keep_stdin
        argv += ["--no-sync-log"] * (not durable)
        argv += ["--exit-command", self.exit_command[0]]
        for word in self.exit_command[1:]:
            argv += ["--exit-command-arg", word]
        return argv


def connect(bundle: Path) -> socket.socket:
    """The attach socket of a running container; its path may be longer than a socket address can be."""
    folder = os.open(bundle, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        attached = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        attached.connect(f"/proc/self/fd/{folder}/attach")
    finally:
        os.close(folder)
    return attached


def resize(bundle: Path, rows: int, columns: int) -> None:
    """Tells the container's terminal its size."""
    try:
        fd = os.open(bundle / "ctl", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(fd, f"1 {rows} {columns}\n".encode())
    finally:
        os.close(fd)


def exit_code(bundle: Path) -> int | None:
    """What the monitor wrote when the container ended, None before that."""
    try:
        return int((bundle / "exit").read_text())
    except (OSError, ValueError):
        return None
