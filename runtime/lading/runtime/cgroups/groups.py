"""Control groups: which layout this machine has, what it needs so that crun accepts it, and limits.

Three layouts exist. *unified* is cgroup v2 alone, *legacy* v1 alone. *hybrid* is v1 with an empty v2 tree beside it,
as systemd once set it up; crun refuses it while v2 holds a controller, so `prepare` gives each such controller
a v1 hierarchy of its own. Containers live in the subtree ``/lading``, one group each, on every layout.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from lading.runtime.cgroups import hierarchies
from lading.store.errors import MachineError, Remedy
from lading.store.fastclass import dataclass

Mode = Literal["unified", "legacy", "hybrid"]
PERIOD: Final = 100_000
"""Microseconds over which a CPU quota counts; what docker uses."""
_WANTED: Final = ("cpu", "memory", "pids")


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """What a container may use at most: bytes, CPUs (1.5 is one and a half), processes and threads."""

    memory: int | None = None
    cpus: float | None = None
    pids: int | None = None


@dataclass(frozen=True, slots=True)
class Cgroups:
    """The control groups mounted at `root`."""

    root: Path
    mode: Mode

    @classmethod
    def detect(cls, root: Path = Path("/sys/fs/cgroup")) -> Cgroups:
        """Looks at what is mounted. Raises `MachineError` where nothing is."""
        if (root / "cgroup.controllers").exists():
            return cls(root, "unified")
        if (root / "unified" / "cgroup.controllers").exists():
            return cls(root, "hybrid")
        if (root / "memory").is_dir() or (root / "pids").is_dir():
            return cls(root, "legacy")
        raise MachineError(f"{root}: no control groups are mounted", hint="mount -t cgroup2 none /sys/fs/cgroup")

    def prepare(self) -> None:
        """Makes the layout one that containers can be started on. Cheap when there is nothing to do."""
        if self.mode == "unified":
            self._delegate()
        else:
            hierarchies.mount_all(self.root, _words(self.root / "unified" / "cgroup.controllers"))

    def _delegate(self) -> None:
        """Hands the controllers that limits need down to ``/lading``; what cannot be had shows when it is asked for."""
        folder = self.root / "lading"
        if set(_words(self.root / "lading" / "cgroup.controllers")).issuperset(_WANTED):
            return
        for parent in (self.root, folder):
            held = set(_words(parent / "cgroup.subtree_control"))
            for controller in _WANTED:
                if controller not in held and controller in _words(parent / "cgroup.controllers"):
                    _try_write(parent / "cgroup.subtree_control", f"+{controller}")
            if parent is self.root:
                folder.mkdir(exist_ok=True)

    def warm(self) -> None:
        """Moves this process from its group to the same group, which changes nothing but what the next move costs.

        The first move of a process between groups after a pause waits for a grace period of the kernel, about 10 ms;
        those that follow soon do not. Called from a thread, the wait overlaps with other work.
        """
        for folder, path in self._memberships():
            _try_write(folder / path.lstrip("/") / "cgroup.procs", str(os.getpid()))
            return

    def free(self, process: int) -> None:
        """Moves a child of ours out of every group that we are in, to the root of that hierarchy.

        Where this machine is itself a container whose groups were handed out, it stays where it is.
        """
        for folder, path in self._memberships():
            if path != "/":
                _try_write(folder / "cgroup.procs", str(process))

    def _memberships(self) -> Iterator[tuple[Path, str]]:
        """The hierarchies that are mounted, and this process's group in each."""
        for line in _read(Path("/proc/self/cgroup")).splitlines():
            number, controllers, path = line.split(":", 2)
            name = "unified" if number == "0" else controllers.removeprefix("name=")
            folder = self.root if self.mode == "unified" else self.root / name
            if (number == "0" or self.mode != "unified") and (folder / "cgroup.procs").exists():
                yield folder, path

    def path_of(self, container: str) -> str:
        """The ``cgroupsPath`` of a container."""
        return f"/lading/{container}"

    def folders_of(self, container: str) -> list[Path]:
        """Every folder that the container's group may have."""
        if self.mode == "unified":
            return [self.root / "lading" / container]
        return [entry / "lading" / container for entry in sorted(self.root.iterdir()) if not entry.is_symlink()]

    def resources(self, limits: ResourceLimits) -> dict[str, object]:
        """`linux.resources` of the OCI spec. Raises `MachineError` for a limit that this machine cannot enforce."""
        resources: dict[str, object] = {"devices": [{"allow": False, "access": "rwm"}]}
        if limits.memory is not None:
            self._require("memory", "memory")
            memory = {"limit": limits.memory}
            if self._limits_swap():
                memory["swap"] = 2 * limits.memory
            resources["memory"] = memory
        if limits.cpus is not None:
            self._require("cpu", "cpus")
            resources["cpu"] = {"quota": round(limits.cpus * PERIOD), "period": PERIOD}
        if limits.pids is not None:
            self._require("pids", "pids-limit")
            resources["pids"] = {"limit": limits.pids if limits.pids > 0 else -1}
        return resources

    def _require(self, controller: str, option: str) -> None:
        if self.mode == "unified":
            there = controller in _words(self.root / "lading" / "cgroup.controllers")
        else:
            there = (self.root / controller / "cgroup.procs").exists()
        if not there:
            raise MachineError(
                f"{option}: the {controller} controller is not available to containers on this machine",
                hint=Remedy(
                    "leave out",
                    f"leave {option} out, or have the controller delegated to {self.root}",
                    option,
                    str(self.root),
                ),
                option=option,
            )

    def _limits_swap(self) -> bool:
        if self.mode == "unified":
            return (self.root / "lading" / "memory.swap.max").exists()
        return (self.root / "memory" / "memory.memsw.limit_in_bytes").exists()

    def killed_for_memory(self, container: str) -> bool:
        """Whether the kernel killed a process of the container for want of memory."""
        if self.mode == "unified":
            file = self.root / "lading" / container / "memory.events"
        else:
            file = self.root / "memory" / "lading" / container / "memory.oom_control"
        lines = dict(line.split() for line in _read(file).splitlines())
        return lines.get("oom_kill", "0") != "0"

    def occupied(self, container: str) -> bool:
        """Whether a process is left in one of the container's groups."""
        tops = self.folders_of(container)
        return any(_read(Path(folder, "cgroup.procs")) for top in tops for folder, _, _ in os.walk(top))

    def remove(self, container: str) -> None:
        """Removes the container's groups, deepest first; those that still hold processes stay."""
        for top in self.folders_of(container):
            for folder, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    continue


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


def _words(file: Path) -> list[str]:
    return _read(file).split()


def _try_write(file: Path, text: str) -> None:
    try:
        file.write_text(text)
    except OSError:
        return
