"""A `run` in the foreground: attach before the start, carry bytes, then see the container off."""

from __future__ import annotations

import errno
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from lading.runtime.containers.container import Container
from lading.runtime.lifecycle.lifecycle import UNKNOWN_CODE, Lifecycle
from lading.runtime.oci import conmon
from lading.runtime.options import RunOptions, Streams
from lading.runtime.process import relay
from lading.runtime.process.launch import Created
from lading.store.errors import MachineError, Remedy
from lading.store.fastclass import dataclass

if TYPE_CHECKING:
    import socket

_PATIENCE = 10.0
"""Seconds between the end of a container's output and its exit file; conmon writes it at once."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What became of a `run`: the container, and its exit code, None where it was left running."""

    id: str
    name: str
    exit_code: int | None


@dataclass(frozen=True, slots=True)
class Started:
    """A running container and a socket that was attached before its program began, so that no output is lost."""

    life: Lifecycle
    record: Container
    attached: socket.socket | None


def begin(created: Created, streams: Streams, *, attach: bool) -> Started:
    """Starts a created container, attached first where that is wanted. Raises `StartError`.

    From here on signals wait for `foreground`, which passes them on.
    """
    attached = conmon.connect(created.life.records.run(created.record.id)) if attach else None
    streams.caller.hold()
    try:
        return Started(created.life, created.start(), attached)
    except BaseException:
        if attached:
            attached.close()
        raise


def foreground(started: Started, streams: Streams, options: RunOptions) -> RunResult:
    """Carries bytes until the container ended and is cleaned up, or until the caller detaches.

    Raises `LostError` where the caller cannot be told any more: then one that is removed with its end is ended,
    and another goes on under its monitor.
    """
    life, record = started.life, started.record
    if started.attached is None:
        return RunResult(record.id, record.name, None)
    keys = options.detach_keys if record.tty else b""
    with started.attached as attached:
        session = relay.Attached(attached, streams, stdin=options.interactive, keys=keys)
        handle = _Signals(record, life, streams, session)
        try:
            with streams.caller.lend(handle):
                handle.resize()
                ended = session.run()
        except relay.LostError as error:
            _abandon(life, record, error)
            raise
        finally:
            handle.close()
    return RunResult(record.id, record.name, _see_off(life, record) if ended else None)


class _Signals:
    """What a caller's signal does: a new window size is told, all else goes to the container's first process."""

    def __init__(self, record: Container, life: Lifecycle, streams: Streams, session: relay.Relay) -> None:
        self._bundle = life.records.run(record.id)
        self._fd = record.process.open() if record.process else None
        self._size = streams.size
        self._session = session

    def __call__(self, number: int) -> None:
        if number == signal.SIGWINCH and self._size:
            self.resize()
        elif self._fd is not None:
            with suppress(OSError):
                signal.pidfd_send_signal(self._fd, number)
        if number == signal.SIGHUP and self._session.hung_up():
            raise relay.LostError(errno.EIO, "the terminal")

    def resize(self) -> None:
        """Tells the container's terminal the size of the caller's."""
        if self._size:
            conmon.resize(self._bundle, *self._size())

    def close(self) -> None:
        """Lets go of the process."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _abandon(life: Lifecycle, record: Container, error: relay.LostError) -> None:
    if not record.remove:
        error.hint = Remedy(
            "container goes on", f"container {record.name} goes on: read its log, or stop it", record.name
        )
        return
    with life.records.lock(record.id) as held:
        current = life.records.read(record.id) if held else None
        if current and current.active:
            life.finish(current)


def _see_off(life: Lifecycle, record: Container) -> int:
    code = _session_exit_code(life, record)
    if code is None:
        raise MachineError(
            f"the monitor of container {record.short} was killed, and the container goes on without it",
            hint=Remedy("stop container", f"stop {record.name}", record.name),
        )
    with life.records.lock(record.id) as held:
        current = life.records.read(record.id) if held else None
        if current and current.active:
            life.finish(current)
    return code


def _session_exit_code(life: Lifecycle, record: Container) -> int | None:
    bundle, until = life.records.run(record.id), time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        code = conmon.exit_code(bundle)
        if code is not None:
            return code
        if not bundle.exists() or not (record.monitor and record.monitor.alive):
            break
        time.sleep(0.0005)
    code = conmon.exit_code(bundle)
    if code is None and record.process and record.process.alive:
        return None
    return known_code(life, record.id) if code is None else code


def known_code(life: Lifecycle, container: str) -> int:
    """The exit code that another process found, of a container that is over."""
    current = life.records.read(container)
    if current and not current.active:
        return current.exit_code
    code = life.remembered(container)
    return UNKNOWN_CODE if code is None else code


def wait_for(life: Lifecycle, record: Container) -> int:
    """Blocks until a container is over; its exit code, also of one that is removed with its end."""
    with suppress(OSError):
        (life.records.run(record.id) / "waiting").touch()
    fd = record.process.open() if record.process else None
    if fd is not None:
        import select  # noqa: PLC0415 - only `wait` needs it here

        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.poll()
        os.close(fd)
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and record.monitor and record.monitor.alive:
        current = life.records.read(record.id)
        if current is None or not current.active:
            break
        if conmon.exit_code(life.records.run(record.id)) is not None:
            break
        time.sleep(0.005)
    current = life.records.read(record.id)
    if current:
        life.settle(current)
    return known_code(life, record.id)
