"""A `run` in the foreground: attach before the start, carry bytes, then see the container off."""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import suppress
from typing import NamedTuple

from lading.runtime import monitor, relay
from lading.runtime.launch import Created
from lading.runtime.lifecycle import UNKNOWN_CODE, Lifecycle
from lading.runtime.options import Streams
from lading.runtime.state import Container
from lading.store.errors import MachineError

_PATIENCE = 10.0
"""Seconds between the end of a container's output and its exit file; conmon writes it at once."""


class Ran(NamedTuple):
    """What became of a `run`: the container, and its exit code, None where it was left running."""

    id: str
    name: str
    exit_code: int | None


class Started(NamedTuple):
    """A running container and a socket that was attached before its program began, so that no output is lost."""

    life: Lifecycle
    record: Container
    attached: socket.socket | None


def begin(created: Created, *, attach: bool) -> Started:
    """Starts a created container, attached first where that is wanted. Raises `StartError`."""
    attached = monitor.connect(created.life.records.run(created.record.id)) if attach else None
    try:
        return Started(created.life, created.start(), attached)
    except BaseException:
        if attached:
            attached.close()
        raise


def foreground(started: Started, streams: Streams, *, stdin: bool) -> Ran:
    """Carries bytes until the container ended and is cleaned up, or until the caller detaches."""
    life, record = started.life, started.record
    if started.attached is None:
        return Ran(record.id, record.name, None)
    with started.attached as attached:
        handle = _Signals(record, life, streams)
        ended = relay.Relay(attached, streams, stdin=stdin, tty=record.tty, on_signal=handle).run()
    return Ran(record.id, record.name, _see_off(life, record) if ended else None)


class _Signals:
    """What a caller's signal does: a new window size is told, all else goes to the container's first process."""

    def __init__(self, record: Container, life: Lifecycle, streams: Streams) -> None:
        self._bundle = life.records.run(record.id)
        self._fd = record.process.open() if record.process else None
        self._size = streams.size

    def __call__(self, number: int) -> None:
        if number == signal.SIGWINCH:
            if self._size:
                monitor.resize(self._bundle, *self._size())
        elif self._fd is not None:
            relay.forward(self._fd)(number)


def _see_off(life: Lifecycle, record: Container) -> int:
    code = _exit_code(life, record)
    if code is None:
        raise MachineError(
            f"the monitor of container {record.short} was killed, and the container goes on without it",
            hint=f"lading stop {record.name}",
        )
    with life.records.lock(record.id) as held:
        current = life.records.read(record.id) if held else None
        if current and current.active:
            life.finish(current)
    return code


def _exit_code(life: Lifecycle, record: Container) -> int | None:
    bundle, until = life.records.run(record.id), time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        code = monitor.exit_code(bundle)
        if code is not None:
            return code
        if not bundle.exists() or not (record.monitor and record.monitor.alive):
            break
        time.sleep(0.0005)
    code = monitor.exit_code(bundle)
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
        if monitor.exit_code(life.records.run(record.id)) is not None:
            break
        time.sleep(0.005)
    current = life.records.read(record.id)
    if current:
        life.settle(current)
    return known_code(life, record.id)
