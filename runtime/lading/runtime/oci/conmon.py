"""conmon, one small C process per container: its parent, its log writer, the keeper of its standard streams.

Its protocol, as of 2.1: a line of JSON on the pipe _OCI_SYNCPIPE gives the container's pid, or -1 and the OCI
runtime's words; BUNDLE/attach is a SEQPACKET socket; BUNDLE/ctl takes ``1 ROWS COLUMNS``; PERSIST/exit appears when the
container ends, with its exit code; after that the exit command runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lading.runtime.cgroups.groups import Cgroups
from lading.runtime.oci import processes
from lading.runtime.oci.oci_runtime import ENV, OciRuntime, start_error
from lading.store.errors import MachineError
from lading.store.fastclass import dataclass
from lading.store.oci.json import Fields, parse

if TYPE_CHECKING:
    import socket

_SYNC: Final = 3
_START: Final = 4
_LOGS: Final = "logs"

Exit = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Monitored:
    """What `start` made: the created container's first process, and its monitor."""

    process: processes.Process
    monitor: processes.Process


@dataclass(frozen=True, slots=True)
class Log:
    """Where the monitor writes a container's output, and how many bytes it may hold (0: any number) before it is
    begun anew. The folder is reached by a link, for conmon takes no colon in a path and replaces the file by name."""

    folder: Path
    name: str
    limit: int


class Conmon:
    """How to start a monitor for one container.

    `bundle` is a short-lived folder that holds config.json; it and `sockets`, whose path is short, are without colons.
    """

    def __init__(
        self,
        path: str,
        runtime: OciRuntime,
        *,
        container: str,
        name: str,
        bundle: Path,
        sockets: Path,
        log: Log,
        exit_command: Exit,
        cgroups: Cgroups,
    ) -> None:
        self.path = path
        self.runtime = runtime
        self.container = container
        self.name = name
        self.bundle = bundle
        self.sockets = sockets
        self.log = log
        self.exit_command = exit_command
        self.cgroups = cgroups

    def start(
        self,
        *,
        stdin: bool,
        tty: bool,
        keep_stdin: bool,
        durable: bool,
        program: str,
        meanwhile: Callable[[], None],
    ) -> Monitored:
        """Creates the container under a new monitor; `meanwhile` is done beside that.

        Raises `StartError`, `MachineError`, and whatever `meanwhile` raises.
        """
        argv = self._argv(stdin=stdin, tty=tty, keep_stdin=keep_stdin, durable=durable)
        with ExitStack() as stack:
            reading, writing = _pipe(stack)
            waiting, going = _pipe(stack)
            errors = os.open(self.bundle / "conmon.err", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            stack.callback(os.close, errors)
            null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
            stack.callback(os.close, null)
            keep = {0: null, 1: null, 2: errors, _SYNC: writing, _START: waiting}
            env = {**ENV, "_OCI_SYNCPIPE": str(_SYNC), "_OCI_STARTPIPE": str(_START), "TMPDIR": str(self.sockets)}
            # conmon leaves a file `oom` in its working folder, which would else be wherever the caller stands.
            pid = processes.spawn([processes.find("env"), f"--chdir={self.bundle}", *argv], env, keep=keep)
            # It waits for a byte before it starts anything: whatever ends the caller's group must not end it.
            self.cgroups.free(pid)
            with suppress(BrokenPipeError):
                os.write(going, b"1")
            reading = os.dup(reading)
        with open(reading, "rb") as sync:
            try:
                meanwhile()
            finally:
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
        os.symlink(self.log.folder, self.bundle / _LOGS)
        log = f"k8s-file:{self.bundle / _LOGS / self.log.name}"
        argv = [self.path, "--api-version", "1", "--cid", self.container, "--cuuid", self.container]
        argv += ["--name", self.name, "--runtime", self.runtime.path, "--runtime-arg", "--root"]
        argv += ["--runtime-arg", str(self.runtime.state), "--bundle", str(self.bundle), "--full-attach"]
        argv += ["--persist-dir", str(self.bundle), "--log-path", log, "--log-level", "error"]
        argv += ["--container-pidfile", str(self.bundle / "pid"), "--conmon-pidfile", str(self.bundle / "conmon.pid")]
        argv += ["--stdin"] * stdin + ["--terminal"] * tty + ["--leave-stdin-open"] * keep_stdin
        argv += ["--log-size-max", str(self.log.limit)] if self.log.limit else []
        argv += ["--no-sync-log"] * (not durable)
        argv += ["--exit-command", self.exit_command[0]]
        for word in self.exit_command[1:]:
            argv += ["--exit-command-arg", word]
        return argv


def _pipe(stack: ExitStack) -> tuple[int, int]:
    ends = os.pipe2(os.O_CLOEXEC)
    for end in ends:
        stack.callback(os.close, end)
    return ends


def connect(bundle: Path) -> socket.socket:
    """The attach socket of a running container; its path may be longer than a socket address can be."""
    import socket  # noqa: PLC0415

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
