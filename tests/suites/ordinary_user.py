"""An ordinary user of this machine: with ranges of further users, with none, or without user namespaces at all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

UID = 65534
FIRST = 200_000
HOUSE = Path(__file__).parents[2]
_EVERYBODY = "0 0 4294967295"
_ROOT_ALONE = f"0 0 1\n1 {FIRST} 65535"

_BECOME = """
import json, os, subprocess, sys
from lading.store.system import syscalls
plan = json.loads(sys.argv[1])
assert syscalls.private_mounts()
for source, target in plan["binds"]:
    subprocess.run(["mount", "--bind", source, target], check=True)
for top, kept in plan["open"].items():
    for number, _ in enumerate(kept):
        os.mkdir(f"{plan['stage']}/{number}")
    for number, path in enumerate(kept):
        subprocess.run(["mount", "--rbind", path, f"{plan['stage']}/{number}"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", top], check=True)
    for number, path in enumerate(kept):
        os.makedirs(path, exist_ok=True)
        subprocess.run(["mount", "--rbind", f"{plan['stage']}/{number}", path], check=True)
if plan["map"]:
    (there, told), (waiting, go) = os.pipe(), os.pipe()
    child = os.fork()
    if child:
        os.read(there, 1)
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{child}/{name}", "w") as file:
                file.write(plan["map"])
        os.write(go, b"1")
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    syscalls.unshare(0x10000000)
    os.write(told, b"1")
    os.read(waiting, 1)
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    syscalls.unshare(0x20000)
if plan["no_namespaces"]:
    with open("/proc/sys/user/max_user_namespaces", "w") as file:
        file.write("0")
os.setgroups([])
os.setresgid(plan["uid"], plan["uid"], plan["uid"])
os.setresuid(plan["uid"], plan["uid"], plan["uid"])
os.chdir("/")
os.execvpe(plan["argv"][0], plan["argv"], plan["environment"])
"""


@dataclass(frozen=True)
class OrdinaryUser:
    """`folder` is the user's own."""

    folder: Path

    def run(
        self, *command: str, ranges: bool = True, namespaces: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command as this user."""
        for kind in ("subuid", "subgid"):
            (self.folder / kind).write_text(f"nobody:{FIRST}:65536\n" if ranges else "")
        binds = [(str(self.folder / kind), f"/etc/{kind}") for kind in ("subuid", "subgid")]
        return _run(command, UID, self.folder, variables, binds=binds, users="" if namespaces else _EVERYBODY)


def as_root_of_a_namespace(*command: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a command as this machine's root, who is root of a user namespace alone."""
    return _run(command, 0, folder, variables, users=_ROOT_ALONE, keeps=True)


def _run(
    command: tuple[str, ...],
    uid: int,
    folder: Path,
    variables: Mapping[str, str],
    *,
    users: str,
    binds: list[tuple[str, str]] | None = None,
    keeps: bool = False,
) -> subprocess.CompletedProcess[str]:
    given = {"PATH": f"{sys.prefix}/bin:{os.environ['PATH']}", "HOME": str(folder), "LADING_PASSWORD": "pw"}
    stage = tempfile.mkdtemp(prefix="stage", dir=folder)
    plan = {
        "argv": command,
        "uid": uid,
        "environment": {**(os.environ if keeps else {}), **given, **variables},
        "binds": binds or [],
        "open": _closed() if uid else {},
        "stage": stage,
        "map": users,
        "no_namespaces": users == _EVERYBODY,
    }
    words = [sys.executable, "-c", _BECOME, json.dumps(plan)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def _closed() -> dict[str, list[str]]:
    """Folders on the way to this repository and its Python that others cannot enter, and what they shall see there."""
    found: dict[str, list[str]] = {}
    for path in (HOUSE, Path(sys.prefix)):
        for above in reversed(path.parents):
            if above.stat().st_mode & 0o005 != 0o005:
                found.setdefault(str(above), []).append(str(path))
                break
    return found


@contextmanager
def ordinary_user() -> Generator[OrdinaryUser, None, None]:
    """One whose folder is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="lad", dir="/tmp"))
    os.chown(folder, UID, UID)
    folder.chmod(0o755)
    try:
        yield OrdinaryUser(folder)
    finally:
        shutil.rmtree(folder)
        shutil.rmtree(f"/tmp/lading-{UID}", ignore_errors=True)
