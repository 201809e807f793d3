"""The OCI runtime configuration of one container (runtime-spec 1.0.2), with the hardening that every one gets."""

from __future__ import annotations

import json
import os
import resource
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from lading.runtime.spec.seccomp import profile
from lading.runtime.spec.seccomp_bpf import ANNOTATION, compiled
from lading.runtime.spec.users import ProcessUser
from lading.store.fastclass import dataclass, field

VERSION: Final = "1.0.2"
DEFAULT_PATH: Final = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FILES: Final = 1_048_576
_UNLIMITED: Final = 2**64
_SHM: Final = "/dev/shm"  # noqa: S108 - the container's
_DEVICES: Final = ("kmsg", "cuse", "fuse", "kvm", "net/tun", "loop-control", *(f"loop{number}" for number in range(8)))

Mount = dict[str, object]

_PROC: Final = "acpi asound interrupts kcore keys latency_stats sched_debug scsi timer_list timer_stats"
_MASKED: Final = (
    *(f"/proc/{name}" for name in _PROC.split()),
    "/sys/firmware",
    "/sys/dev/block",
    "/sys/fs/selinux",
    "/sys/devices/virtual/powercap",
)
_READONLY: Final = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

_MOUNTS: Final[tuple[tuple[str, str, str], ...]] = (
    ("/proc", "proc", "nosuid noexec nodev"),
    ("/dev", "tmpfs", "nosuid strictatime mode=755 size=65536k"),
    ("/dev/pts", "devpts", "nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5"),
    (_SHM, "tmpfs", "nosuid noexec nodev mode=1777 size=65536k"),
    ("/dev/mqueue", "mqueue", "nosuid noexec nodev"),
    ("/sys", "sysfs", "nosuid noexec nodev ro"),
    ("/sys/fs/cgroup", "cgroup", "nosuid noexec nodev relatime ro"),
)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ContainerSpec:
    """What differs from one container to the next. `netns` is a path, "new" or "host"; `filters` a folder of ours.

    `limits` are those of ulimit, soft and hard (-1: none). `insecure` takes away all that holds a process back but its
    namespaces: `capabilities` are inherited by every program, every call and file of the kernel is open to it.
    """

    rootfs: Path
    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    user: ProcessUser
    hostname: str
    netns: str
    cgroup: str
    resources: Mapping[str, object]
    capabilities: Sequence[str]
    readonly: bool = False
    terminal: bool = False
    size: tuple[int, int] | None = None
    mounts: Sequence[Mount] = field(default_factory=tuple[Mount, ...])
    filters: Path | None = None
    no_new_privileges: bool = True
    limits: Sequence[tuple[str, int, int]] = field(default_factory=tuple[tuple[str, int, int], ...])
    insecure: bool = False

    def spec(self) -> dict[str, object]:
        """config.json."""
        return {
            "ociVersion": VERSION,
            "process": self.process(),
            "root": {"path": str(self.rootfs), "readonly": self.readonly},
            "hostname": self.hostname,
            "mounts": self._mounts(),
            **self._confined(),
        }

    def _confined(self) -> dict[str, object]:
        linux: dict[str, object] = {
            "namespaces": self._namespaces(),
            "cgroupsPath": self.cgroup,
            "resources": self.resources,
            "rootfsPropagation": "private",
        }
        if self.insecure:
            return {"linux": {**linux, "devices": host_devices()}}
        seccomp = profile(self.capabilities)
        linux |= {
            "seccomp": seccomp,
            "maskedPaths": [*_MASKED, *_throttles()],
            "readonlyPaths": list(_READONLY),
        }
        return {"annotations": self._annotations(seccomp), "linux": linux}

    def _annotations(self, seccomp: dict[str, object]) -> dict[str, str]:
        found = compiled(seccomp, json.dumps(seccomp).encode(), self.filters) if self.filters else None
        return {ANNOTATION: found} if found else {}

    def process(self) -> dict[str, object]:
        """`process` of config.json; an exec is described by this alone."""
        process: dict[str, object] = {
            "terminal": self.terminal,
            "user": self.user.spec(),
            "args": list(self.args),
            "env": list(self.env),
            "cwd": self.cwd,
            "capabilities": {name: list(self.capabilities) for name in self._sets()},
            "noNewPrivileges": self.no_new_privileges,
            "rlimits": list({str(limit["type"]): limit for limit in (open_files(), *self._limits())}.values()),
        }
        if self.terminal and self.size:
            process["consoleSize"] = {"height": self.size[0], "width": self.size[1]}
        return process

    def _sets(self) -> tuple[str, ...]:
        return ("bounding", "effective", "permitted", *(("inheritable", "ambient") if self.insecure else ()))

    def _limits(self) -> list[dict[str, object]]:
        return [
            {"type": f"RLIMIT_{name.upper()}", "soft": soft % _UNLIMITED, "hard": hard % _UNLIMITED}
            for name, soft, hard in self.limits
        ]

    def _namespaces(self) -> list[dict[str, str]]:
        names = [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "cgroup")]
        if self.netns == "new":
            names.append({"type": "network"})
        elif self.netns != "host":
            names.append({"type": "network", "path": self.netns})
        return names

    def _mounts(self) -> list[Mount]:
        taken = {mount["destination"] for mount in self.mounts}
        defaults = [
            mount(target, kind, kind, [word for word in options.split() if word != "ro" or not self.insecure])
            for target, kind, options in _MOUNTS
            if target not in taken
        ]
        return [*defaults, *sorted(self.mounts, key=lambda item: str(item["destination"]).count("/"))]


def mount(target: str, kind: str, source: str, options: Sequence[str]) -> Mount:
    """One entry of `mounts`."""
    return {"destination": target, "type": kind, "source": source, "options": list(options)}


def shared_memory(size: int) -> Mount:
    """The folder of shared memory, of `size` bytes."""
    options = next(options for target, _, options in _MOUNTS if target == _SHM)
    words = [word for word in options.split() if not word.startswith("size=")]
    return mount(_SHM, "tmpfs", "shm", [*words, f"size={size}"])


def host_devices() -> list[dict[str, object]]:
    """The devices of this machine that the reference shows to a step without limits, as far as they are there."""
    found: list[dict[str, object]] = []
    for name in _DEVICES:
        with suppress(OSError):
            info = os.stat(f"/dev/{name}")
            kind = "b" if stat.S_ISBLK(info.st_mode) else "c"
            major, minor = os.major(info.st_rdev), os.minor(info.st_rdev)
            found.append({"path": f"/dev/{name}", "type": kind, "major": major, "minor": minor})
    return found


def bind(source: str, target: str, *, readonly: bool = False, propagation: str = "rprivate") -> Mount:
    """A bind mount of a host path, with everything below it."""
    return mount(target, "bind", source, ["rbind", "ro" if readonly else "rw", propagation])


def open_files() -> dict[str, object]:
    """RLIMIT_NOFILE as docker gives it, within what this process may give (it may lack CAP_SYS_RESOURCE)."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    value = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    return {"type": "RLIMIT_NOFILE", "soft": value, "hard": value}


def environment(given: Sequence[str], image: Sequence[str], *, hostname: str, home: str, tty: bool) -> tuple[str, ...]:
    """The variables of a process: docker's own, then the image's, then the given ones; the last of a name wins."""
    own = [DEFAULT_PATH, f"HOSTNAME={hostname}", *(["TERM=xterm"] if tty else []), f"HOME={home}"]
    return merged(*own, *image, *given)


def merged(*variables: str) -> tuple[str, ...]:
    """One of each name: the last, where the first stood."""
    return tuple({item.partition("=")[0]: item for item in variables}.values())


def _throttles() -> list[str]:
    folder = "/sys/devices/system/cpu"
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    paths = [f"{folder}/{name}/thermal_throttle" for name in names if name[:3] == "cpu" and name[3:].isdigit()]
    return [path for path in paths if os.path.exists(path)]
