"""A process of a build's step: what it is, and how it is started, its output carried, and ended with the build."""

from __future__ import annotations

import os
import select
import termios
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, Protocol

from lading.runtime.lifecycle.step_mounts import SandboxMount
from lading.runtime.oci import processes
from lading.store.errors import MachineError
from lading.verify.observations.contacts import Contacts

if TYPE_CHECKING:
    from lading.networking.enclosed.gateway import Gateway

_CHUNK: Final = 1 << 16
_SIGKILL: Final = 9

StepOutput = Callable[[bytes, Literal["stdout", "stderr"]], None]
Readers = dict[int, Literal["stdout", "stderr"]]


class StepTerminal(Protocol):
    """The caller's terminal, lent to one process."""

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        ...

    def attach(self, leader: int, process: int) -> None:
        """Carries bytes both ways between the caller's and the terminal of `leader`, until the process has ended."""
        ...


class SandboxProcess(Protocol):
    """What `lading.build.graph.executor.ProcessSpec` is."""

    @property
    def argv(self) -> tuple[str, ...]:
        """What is executed."""
        ...

    @property
    def env(self) -> tuple[tuple[str, str], ...]:
        """Everything it sees, beside HOME and, where not given, PATH."""
        ...

    @property
    def cwd(self) -> str:
        """Its working directory, which exists."""
        ...

    @property
    def user(self) -> str:
        """``USER[:GROUP]``, looked up in the root file system."""
        ...

    @property
    def hostname(self) -> str:
        """The same for every build, so that none depends on it."""
        ...

    @property
    def network(self) -> Literal["none", "host", "default"]:
        """Default is the driver's, or without one the host's."""
        ...

    @property
    def stdin(self) -> bytes | None:
        """What it reads; nothing where None."""
        ...

    @property
    def mounts(self) -> Sequence[SandboxMount]:
        """What it sees beside its root file system."""
        ...

    @property
    def secrets(self) -> tuple[tuple[str, str], ...]:
        """Variables that no disk shall hold."""
        ...

    @property
    def insecure(self) -> bool:
        """Whether it may do all that this process may."""
        ...

    @property
    def hosts(self) -> tuple[tuple[str, str], ...]:
        """Names of /etc/hosts and their addresses."""
        ...

    @property
    def shm_size(self) -> int:
        """Bytes of /dev/shm, 0: the usual."""
        ...

    @property
    def ulimits(self) -> tuple[tuple[str, int, int], ...]:
        """Limits by their names, soft and hard; -1 is none."""
        ...

    @property
    def contacted(self) -> Callable[[Contacts], None]:
        """Told what it contacted of the network, once it has ended by itself."""
        ...

    @property
    def gateway(self) -> Gateway | None:
        """The only one that its default network reaches."""
        ...

    @property
    def terminal(self) -> StepTerminal | None:
        """What it has in place of output and `stdin`."""
        ...


def run_to_end(
    argv: Sequence[str],
    env: Mapping[str, str],
    stdin: bytes | None,
    output: StepOutput,
    halt: int | None,
    *,
    keep: Mapping[int, int] | None = None,
    signal: int = _SIGKILL,
) -> int:
    """Runs a program in a session of its own and returns its exit code; `keep` are further descriptors it has.

    Where `output` raises, or `halt` can be read from, it gets `signal`, is waited for, and that is raised on.
    """
    pid, readers = _start(argv, env, stdin, keep or {})
    try:
        _carry(readers, output, halt)
        _await(pid, halt)
        return processes.wait(pid)
    except BaseException:
        os.kill(pid, signal)
        processes.wait(pid)
        raise
    finally:
        for fd in readers:
            os.close(fd)


def run_at_terminal(
    argv: Sequence[str],
    env: Mapping[str, str],
    terminal: StepTerminal,
    *,
    keep: Mapping[int, int] | None = None,
    signal: int = _SIGKILL,
) -> int:
    """As `run_to_end`, with a new terminal as all three streams: the caller's own never reaches the process."""
    leader, follower = os.openpty()
    try:
        termios.tcsetwinsize(follower, terminal.size)
        try:
            pid = processes.spawn(argv, env, keep={0: follower, 1: follower, 2: follower, **(keep or {})}, session=True)
        finally:
            os.close(follower)
        try:
            terminal.attach(leader, pid)
            return processes.wait(pid)
        except BaseException:
            os.kill(pid, signal)
            processes.wait(pid)
            raise
    finally:
        os.close(leader)


def _start(
    argv: Sequence[str], env: Mapping[str, str], stdin: bytes | None, keep: Mapping[int, int]
) -> tuple[int, Readers]:
    given = os.memfd_create("stdin", os.MFD_CLOEXEC) if stdin else os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    if stdin:
        os.write(given, stdin)
        os.lseek(given, 0, os.SEEK_SET)
    (out_reader, out), (err_reader, err) = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
    try:
        pid = processes.spawn(argv, env, keep={0: given, 1: out, 2: err, **keep}, session=True)
    finally:
        for fd in (given, out, err):
            os.close(fd)
    return pid, {out_reader: "stdout", err_reader: "stderr"}


def _polled(fds: Iterable[int], halt: int | None) -> select.poll:
    poll = select.poll()
    for fd in fds if halt is None else (*fds, halt):
        poll.register(fd, select.POLLIN)
    return poll


def _await(pid: int, halt: int | None) -> None:
    """Until the process ends, or is to end."""
    process = os.pidfd_open(pid)
    try:
        _unless(halt, {fd for fd, _ in _polled([process], halt).poll()} - {process})
    finally:
        os.close(process)


def _unless(halt: int | None, readable: Collection[int]) -> None:
    if halt in readable:
        raise MachineError("the step was ended")


def _carry(readers: Readers, output: StepOutput, halt: int | None) -> None:
    """Hands on whole lines as they come, and a line's beginning only where it is long or the last."""
    poll, rest = _polled(readers, halt), dict.fromkeys(readers, b"")
    left = set(readers)
    while left:
        for fd, _ in poll.poll():
            _unless(halt, [fd])
            data = os.read(fd, _CHUNK)
            whole, newline, part = (rest[fd] + data).rpartition(b"\n")
            if not data or len(part) > _CHUNK:
                whole, newline, part = whole + newline + part, b"", b""
            rest[fd] = part
            if whole + newline:
                output(whole + newline, readers[fd])
            if not data:
                poll.unregister(fd)
                left.discard(fd)
