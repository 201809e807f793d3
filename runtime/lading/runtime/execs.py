"""A further process in a running container, started by the OCI runtime itself on the caller's own streams."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final, cast

from lading.runtime import capabilities, processes, users
from lading.runtime.crun import ENV, start_error
from lading.runtime.lifecycle import Lifecycle
from lading.runtime.options import Streams, absolute
from lading.runtime.spec import Plan, environment
from lading.runtime.state import Container
from lading.store.errors import InputError, UsageError
from lading.store.fastclass import dataclass

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

    Raises `InputError` unless the container runs, `StartError` for a command that cannot be started.
    """
    if record.status != "running" or record.process is None:
        raise InputError(f"container {record.name} is not running")
    if not options.command:
        raise UsageError("exec: no command specified")
    folder = life.records.run(record.id) / f"exec-{os.urandom(4).hex()}"
    folder.mkdir(mode=0o700)
    try:
        (folder / "process.json").write_text(json.dumps(_process(record, options, streams)))
        return _run(life, record, options, streams, folder)
    finally:
        for name in ("process.json", "errors"):
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()


def _process(record: Container, options: ExecOptions, streams: Streams) -> dict[str, object]:
    config = record.config
    root = os.open(f"/proc/{record.process.pid if record.process else 0}/root", os.O_PATH | os.O_DIRECTORY)
    try:
        user = users.resolve(root, options.user if options.user is not None else str(config.get("User", "")))
    finally:
        os.close(root)
    workdir = options.workdir if options.workdir is not None else str(config.get("WorkingDir") or "/")
    host = record.host_config
    plan = Plan(
        rootfs=Path(),
        args=options.command,
        env=environment(options.env, _words(config.get("Env")), hostname=record.short, home=user.home, tty=options.tty),
        cwd=absolute(workdir, "--workdir"),
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


def _run(life: Lifecycle, record: Container, options: ExecOptions, streams: Streams, folder: Path) -> int:
    words = ["--log", str(folder / "errors"), "exec", "--process", str(folder / "process.json")]
    words += ["--detach"] * options.detach + ["--tty"] * (options.tty and not options.detach)
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    try:
        inherited = options.interactive and not options.detach and streams.stdin is not None
        stdin = streams.stdin if inherited and streams.stdin is not None else null
        output, errors = (null, null) if options.detach else (streams.stdout, streams.stderr)
        pid = processes.spawn(life.oci.argv(*words, record.id), ENV, keep={0: stdin, 1: output, 2: errors})
    finally:
        os.close(null)
    code = processes.wait(pid)
    text = _errors(folder / "errors") if code in _FAILED else ""
    if text:
        raise start_error(text, options.command[0])
    return code


def _errors(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""


def _words(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in cast("list[object]", value)) if isinstance(value, list) else ()
