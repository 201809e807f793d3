"""What a step of a build has mounted: folders of this machine, memory, files that reach no disk, sockets of agents.

Their mount points are made where the root file system lacks them, and are gone afterwards.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, Literal, Protocol

from lading.runtime.spec.rootfs import MountPoints, allowed
from lading.runtime.spec.spec import Mount, bind, mount
from lading.store.errors import InputError
from lading.store.snapshots.mounts import mount_memory, unmount

MEMORY: Final = "memory"
"""The folder of a sandbox that lies in memory alone."""
_STICKY: Final = 0o1777


class SandboxMount(Protocol):
    """What `lading.build.graph.executor.ExecMount` is."""

    @property
    def kind(self) -> Literal["bind", "tmpfs", "file", "agent"]:
        """A folder or file of this machine, memory, a file of `content`, the socket of an agent."""
        ...

    @property
    def target(self) -> str:
        """Where it is seen; absolute."""
        ...

    @property
    def source(self) -> str:
        """The path on this machine of what is bound, or of an agent's socket."""
        ...

    @property
    def answer(self) -> Callable[[bytes], bytes] | None:
        """An agent that has no socket: what it says to a message, both without their lengths."""
        ...

    @property
    def content(self) -> bytes:
        """Of a file."""
        ...

    @property
    def readonly(self) -> bool:
        """Whether nothing can be written there."""
        ...

    @property
    def size(self) -> int:
        """Bytes of memory; 0 is as many as the kernel gives."""
        ...

    @property
    def uid(self) -> int:
        """Who owns a file or socket."""
        ...

    @property
    def gid(self) -> int:
        """The group that owns it."""
        ...

    @property
    def mode(self) -> int:
        """Its permissions."""
        ...


class StepMounts:
    """The mounts of one step, in a sandbox whose folder is `bundle`."""

    def __init__(self, bundle: Path, rootfs: Path, stubs: MountPoints) -> None:
        self._memory = bundle / MEMORY
        self._rootfs = rootfs
        self._stubs = stubs

    @contextmanager
    def memory(self) -> Generator[Path, None, None]:
        """A folder that no disk holds a byte of."""
        self._memory.mkdir(mode=0o700)
        mount_memory(self._memory)
        try:
            yield self._memory
        finally:
            unmount(self._memory)

    @contextmanager
    def private(self, secrets: Sequence[object]) -> Generator[Path, None, None]:
        """Where the OCI runtime is told what to do: in memory, where that has secrets in it, else the bundle."""
        if not secrets:
            yield self._memory.parent
            return
        with ExitStack() as stack:
            place = self._memory if os.path.ismount(self._memory) else stack.enter_context(self.memory())
            yield place

    @contextmanager
    def made(self, wanted: Sequence[SandboxMount]) -> Generator[list[Mount], None, None]:
        """`wanted` as the OCI runtime takes them, those above before those below; of one place the last counts."""
        by_target = {item.target: item for item in wanted}
        with ExitStack() as stack:
            if any(item.kind in ("file", "agent") for item in by_target.values()):
                stack.enter_context(self.memory())
            found: list[Mount] = []
            for number, target in enumerate(sorted(by_target)):
                above = [other for other in by_target.values() if target.startswith(f"{other.target}/")]
                found.append(self._make(by_target[target], above, str(number), stack))
            yield found

    def _make(self, item: SandboxMount, above: list[SandboxMount], name: str, stack: ExitStack) -> Mount:
        if item.kind == "tmpfs":
            return self._tmpfs(item, self._place(item.target, above, folder=True))
        source = item.source
        if item.kind == "file":
            source = self._file(item, name)
        elif item.kind == "agent":
            from lading.runtime.lifecycle.ssh_relay import lent_agent  # noqa: PLC0415 - few steps ask for one

            source = str(self._memory / name)
            stack.enter_context(lent_agent(Path(source), item.answer or item.source, item.uid, item.gid, item.mode))
        place = self._place(item.target, above, folder=self._is_folder(item))
        if item.kind == "bind":
            return bind(source, place, readonly=item.readonly)
        options = ["rbind", "ro" if item.kind == "file" else "rw", "rprivate", "nodev", "nosuid"]
        return mount(place, "bind", source, options if item.mode & 0o111 else [*options, "noexec"])

    def _is_folder(self, item: SandboxMount) -> bool:
        if item.kind != "bind":
            return False
        try:
            return stat.S_ISDIR(os.stat(item.source).st_mode)
        except FileNotFoundError:
            raise InputError(f"{item.target}: what is to be mounted there does not exist") from None

    def _file(self, item: SandboxMount, name: str) -> str:
        path = self._memory / name
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as stream:
            stream.write(item.content)
        os.chown(path, item.uid, item.gid)
        os.chmod(path, item.mode)
        return str(path)

    def _tmpfs(self, item: SandboxMount, place: str) -> Mount:
        mode = _STICKY
        if not self._stubs.made(place):
            with suppress(OSError):
                mode = stat.S_IMODE(os.lstat(f"{self._rootfs}{place}").st_mode)
        options = ["nosuid", f"mode={mode:o}", *([f"size={item.size}"] if item.size else [])]
        return mount(place, "tmpfs", "tmpfs", [*options, "ro"] if item.readonly else options)

    def _place(self, target: str, above: list[SandboxMount], *, folder: bool) -> str:
        """Where it lies in the root file system; below another mount, or in /dev, the OCI runtime makes the place."""
        if above:
            around = max(above, key=lambda other: len(other.target))
            place = f"{around.source}{target.removeprefix(around.target)}"
            if around.readonly and not (around.kind == "bind" and os.path.lexists(place)):
                raise InputError(f"{target}: there is no such place in what is mounted at {around.target}, read-only")
            return target
        if target.startswith("/dev/"):
            return target
        return allowed(target, self._stubs.place(target, folder=folder))
