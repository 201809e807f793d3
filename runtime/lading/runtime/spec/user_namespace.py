"""An OCI configuration for a process that is root of a user namespace alone: without what only the machine's may."""

from __future__ import annotations

from pathlib import Path
from typing import Final, cast

_TTY_GROUP: Final = 5


def as_user(spec: dict[str, object]) -> dict[str, object]:
    """`spec` without control groups; with the machine's own /sys where it has the machine's network."""
    linux = {key: value for key, value in _table(spec["linux"]).items() if key not in ("cgroupsPath", "resources")}
    namespaces = cast("list[dict[str, str]]", linux["namespaces"])
    shared = all(one["type"] != "network" for one in namespaces)
    mounts = cast("list[dict[str, object]]", spec["mounts"])
    return {**spec, "linux": linux, "mounts": [_mount(one, shared) for one in mounts if one["type"] != "cgroup"]}


def _mount(mount: dict[str, object], shared: bool) -> dict[str, object]:
    if mount["type"] == "sysfs" and shared:
        options = ["rbind", "nosuid", "noexec", "nodev", "ro"]
        return {**mount, "type": "bind", "source": "/sys", "options": options}
    options = cast("list[str]", mount["options"])
    if mount["type"] == "devpts" and not _has_group(_TTY_GROUP):
        return {**mount, "options": [word for word in options if not word.startswith("gid=")]}
    return mount


def _has_group(number: int) -> bool:
    for line in Path("/proc/self/gid_map").read_text().splitlines():
        first, _, count = map(int, line.split())
        if first <= number < first + count:
            return True
    return False


def _table(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return cast("dict[str, object]", value)
