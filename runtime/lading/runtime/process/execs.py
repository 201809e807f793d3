"""A further process in a running container, started by the OCI runtime itself, with streams of its own."""

from __future__ import annotations

import errno
import json
import os
import signal
import time
import tty as raw_mode
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, cast

from lading.runtime.containers.container import Container
from lading.runtime.containers.records import remove_folder
from lading.runtime.lifecycle.lifecycle import Lifecycle
from lading.runtime.oci import processes
from lading.runtime.oci.oci_runtime import ENV, start_error
from lading.runtime.options import Streams, absolute, check_words
from lading.runtime.process.pipes import Console, Ends, Piped, Terminal, resize
from lading.runtime.process.relay import LostError, Relay
from lading.runtime.spec import capabilities, users
from lading.runtime.spec.spec import ContainerSpec, environment
from lading.store.errors import InputError, UsageError
from lading.store.fastclass import dataclass

_PATIENCE: Final = 5.0
"""Seconds that a runtime may take until it has begun a process."""
_FAILED: Final = (1, 125, 126, 127, 255)
"""What the runtimes exit with when they could not start the process; a process may exit so as well."""


@dataclass(frozen=True, slots=True)
class ExecOptions:
    """A further process in a running container."""

    command: tuple[str, ...]
    env: tuple[str, ...] = ()
    user: str | None = None
    workdir: str | None = None
    detach: bool = False
    interactive: bool = False
    tty: bool = False


def execute(life: Lifecycle, record: Container, options: ExecOptions, streams: Streams) -> int:
    """Runs a command to its end, or with `detach` only starts it; its exit code, 0 for the latter.

    Raises `InputError` unless the container runs, `StartError` for a command that cannot be started, `LostError`
    where the caller cannot be told any more.
    """
    if record.status != "running" or record.process is None:
        raise InputError(f"container {record.name} is not running")
    if not options.command:
        raise UsageError("exec: no command specified")
    check_words("env", options.env)
    check_words("command", options.command)
    for option, word in (("user", options.user), ("workdir", options.workdir)):
        check_words(option, (word or "",))
    folder = life.records.run(record.id) / f"exec-{os.urandom(4).hex()}"
    folder.mkdir(mode=0o700)
    try:
        (folder / "process.json").write_text(json.dumps(_process(record, options, streams)))
        code = _Exec(life, record, options, streams, folder).run()
        text = _read(folder / "errors") if code in _FAILED else ""
    finally:
        remove_folder(folder)
    if text:
        raise start_error(text, options.command[0])
    return code


def _process(record: Container, options: ExecOptions, streams: Streams) -> dict[str, object]:
    config = record.config
    root = os.open(f"/proc/{record.process.pid if record.process else 0}/root", os.O_PATH | os.O_DIRECTORY)
    try:
        user = users.resolve(root, options.user if options.user is not None else str(config.get("User", "")))
    finally:
        os.close(root)
    workdir = options.workdir if options.workdir is not None else str(config.get("WorkingDir") or "/")
    host = record.host_config
    plan = ContainerSpec(
        rootfs=Path(),
        args=options.command,
        env=environment(
            options.env,
            _words(config.get("Env")),
            hostname=str(config.get("Hostname") or record.short),
            home=user.home,
            tty=options.tty,
        ),
        cwd=absolute(workdir, "workdir", option=True),
        user=user,
        hostname="",
        netns="host",
        cgroup="",
        resources={},
        capabilities=capabilities.resolve(_words(host.get("CapAdd")), _words(host.get("CapDrop"))),
        terminal=options.tty and not options.detach,
        size=streams.size() if streams.size else None,
    )
    return plan.process()


class _Exec:
    """One call of the OCI runtime. It passes on the signals that it gets, and ends with the process's exit code."""

    def __init__(
        self, life: Lifecycle, record: Container, options: ExecOptions, streams: Streams, folder: Path
    ) -> None:
        words = ["--log", str(folder / "errors"), "exec", "--process", str(folder / "process.json")]
        self._argv = life.oci.argv(*words, "--pid-file", str(folder / "pid"))
        self._hands_over = life.oci.hands_over
        self._container = record.id
        self._options = options
        self._streams = streams
        self._folder = folder
        self._pid = 0
        self._leader: int | None = None
        self._session: Relay | None = None

    def run(self) -> int:
        if self._options.detach:
            return self._detached()
        with self._streams.caller.lend(self._signal):
            if not self._options.tty:
                return self._piped()
            return self._terminal() if self._hands_over else self._outer_terminal()

    def _detached(self) -> int:
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        try:
            return processes.wait(self._spawn("--detach", keep=dict.fromkeys(range(3), null)))
        finally:
            os.close(null)

    def _piped(self) -> int:
        ends = Ends(stdin=self._options.interactive)
        try:
            self._pid = self._spawn(keep=ends.theirs)
            ends.started()
            return self._follow(lambda process: Piped(ends, process, self._streams))
        finally:
            ends.close()

    def _outer_terminal(self) -> int:
        """For a runtime that keeps the leading side: another terminal, whose size it hands on."""
        self._leader, follower = os.openpty()
        try:
            raw_mode.setraw(follower)
            self._set_size(self._leader)
            self._pid = self._spawn("--tty", keep=dict.fromkeys(range(3), follower))
        finally:
            os.close(follower)
        try:
            return self._follow(self._session_at(self._leader))
        finally:
            os.close(self._leader)

    def _terminal(self) -> int:
        console = Console(self._folder)
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        try:
            keep = dict.fromkeys(range(3), null)
            self._pid = self._spawn("--tty", "--console-socket", console.path, keep=keep)
            return self._follow(lambda process: self._at_terminal(console, process))
        finally:
            os.close(null)
            console.close()
            if self._leader is not None:
                os.close(self._leader)

    def _at_terminal(self, console: Console, process: int) -> Relay | None:
        self._leader = console.leader(process)
        if self._leader is None:
            return None
        self._set_size(self._leader)
        return self._session_at(self._leader)(process)

    def _session_at(self, leader: int) -> Callable[[int], Relay]:
        return lambda process: Terminal(leader, process, self._streams, stdin=self._options.interactive)

    def _spawn(self, *words: str, keep: Mapping[int, int]) -> int:
        return processes.spawn([*self._argv, *words, self._container], ENV, keep=keep)

    def _follow(self, session: Callable[[int], Relay | None]) -> int:
        """The exit code, once the session is over. Whatever else ends it ends the process too."""
        process = os.pidfd_open(self._pid)
        try:
            self._session = session(process)
            if self._session:
                self._session.run()
        except BaseException:
            self._kill()
            raise
        finally:
            os.close(process)
            pid, self._pid = self._pid, 0
            code = processes.wait(pid)
        return code

    def _kill(self) -> None:
        """Ends the process inside, with which its runtime ends; where none was begun after a while, the runtime."""
        until = time.monotonic() + _PATIENCE
        while not (inside := _read(self._folder / "pid").strip()).isdigit() and time.monotonic() < until:
            if not processes.Process.of(self._pid):
                return
            time.sleep(0.001)
        with suppress(OSError):
            os.kill(int(inside) if inside.isdigit() else self._pid, signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if number == signal.SIGWINCH and self._leader is not None:
            self._set_size(self._leader)
        if self._pid:
            with suppress(OSError):
                os.kill(self._pid, number)
        if number == signal.SIGHUP and self._session and self._session.hung_up():
            raise LostError(errno.EIO, "the terminal")

    def _set_size(self, leader: int) -> None:
        if self._streams.size:
            resize(leader, *self._streams.size())


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""


def _words(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in cast("list[object]", value)) if isinstance(value, list) else ()
