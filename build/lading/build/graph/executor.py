"""What a build asks of the sandbox in which RUN executes. `lading.runtime.sandbox` satisfies it; `host` joins them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal, Protocol, TypeAlias

from lading.store.fastclass import dataclass, field
from lading.store.oci.descriptors import Platform
from lading.verify.observations.contacts import Contacts

WEAK: Final = frozenset({"chroot"})
"""Isolations that root inside can leave: the provenance then says that the signing key was in reach."""
APART: Final = frozenset({"chroot"})
"""Isolations that move a folder into the tree of a step: no two steps have one at a time."""
Network = Literal["none", "host", "default"]
OutputListener: TypeAlias = Callable[[bytes, Literal["stdout", "stderr"]], None]
"""Told what a step writes, as it writes it."""
RECORDING: Final = frozenset({"oci"})
"""Isolations that can give a step a network that ends at a gateway."""
ContactListener: TypeAlias = Callable[[Contacts], None]


def ignore(contacts: Contacts) -> None:
    """Nobody asks what a command contacts."""
    del contacts


class NetworkGateway(Protocol):
    """What answers for everybody that a command speaks to. Called from several threads at once."""

    def resolves(self, name: str) -> bool:
        """Whether there is such a host; `name` is in lower case, without a last dot."""
        ...

    def serve(self, connection: socket.socket, host: str, port: int) -> None:
        """Speaks for `host` (the name that was looked up, else an address) until the connection ends."""


class CallerTerminal(Protocol):
    """The caller's terminal, lent to one command."""

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        ...

    def attach(self, leader: int, process: int) -> None:
        """Carries what is typed to the terminal whose leading side is `leader`, and what is written there back.

        Returns when the process of that number has ended.
        """
        ...


@dataclass(frozen=True, slots=True)
class ExecMount:
    """What a command has at `target`, an absolute path.

    `bind` is the folder or file `source` of this machine; `tmpfs` is memory, at most `size` bytes of it (0: as the
    kernel has it); `file` is one of `content`, which reaches no disk; `agent` is a socket behind which the ssh agent
    at `source`, or that which is `answer`, tells its keys and signs, and does nothing else. `uid`, `gid`, `mode` are
    those of a file or socket.
    """

    kind: Literal["bind", "tmpfs", "file", "agent"]
    target: str
    source: str = ""
    answer: Callable[[bytes], bytes] | None = field(default=None, repr=False)
    content: bytes = field(default=b"", repr=False)
    readonly: bool = False
    size: int = 0
    uid: int = 0
    gid: int = 0
    mode: int = 0


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A command to be executed in a root file system.

    `user` is as USER has it (``name[:group]`` or numbers, empty: root) and is looked up in the root file system;
    `env` is everything the command sees beside `secrets`, variables that reach no disk, and what every sandbox sets
    (HOME). `insecure` lets it do what this process may. `hosts`, `shm_size` and `ulimits` are as in `StepSettings`.
    `contacted` is told what it contacted of the network once it has ended, by executors that can tell. With a
    `gateway`, which only those of `RECORDING` know, its default network reaches nobody else.
    With a `terminal` it has one of its own in place of output and `stdin`, which the caller's is joined to.
    """

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    cwd: str = "/"
    user: str = ""
    hostname: str = "build"
    network: Network = "default"
    stdin: bytes | None = None
    mounts: tuple[ExecMount, ...] = ()
    secrets: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    insecure: bool = False
    hosts: tuple[tuple[str, str], ...] = ()
    shm_size: int = 0
    ulimits: tuple[tuple[str, int, int], ...] = ()
    contacted: ContactListener = ignore
    gateway: NetworkGateway | None = None
    terminal: CallerTerminal | None = None


class Emulators(Protocol):
    """What of this machine executes programs of other platforms."""

    def emulator(self, platform: Platform) -> str:
        """The name of what executes programs of `platform`. Raises `MachineError`, which says what is missing."""
        ...


class Executor(Protocol):
    """A sandbox. Nothing it mounts or writes for itself stays in the root file system."""

    @property
    def isolation(self) -> str:
        """How strong it is, in a word that provenance records: ``oci`` (all namespaces, seccomp), ``chroot``."""
        ...

    @property
    def privileges(self) -> Mapping[str, object]:
        """What a step may do, as its key and its link have it: ``capabilities`` by name, ``noNewPrivileges``."""
        ...

    def execute(self, rootfs: Path, process: ProcessSpec, output: OutputListener, halt: int | None = None) -> int:
        """Runs `process` in the mounted folder `rootfs` and returns its exit code. May be called from any thread.

        It is ended as soon as the descriptor `halt` can be read from. Raises `MachineError` then, and where the
        sandbox itself fails; nothing of it is left running.
        """
        ...
