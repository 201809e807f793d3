"""What callers use: containers are run on a verdict, and then looked after by name or id."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import cache, partial
from typing import TYPE_CHECKING

from lading.runtime.containers.container import Container
from lading.runtime.lifecycle.lifecycle import Lifecycle, RuntimeConfig
from lading.runtime.options import RunOptions, Streams
from lading.store.errors import InputError, MachineError, Remedy
from lading.store.system.machine_errors import border

if TYPE_CHECKING:
    from lading.runtime.containers.logs import LogLine
    from lading.runtime.containers.networks import Drivers
    from lading.runtime.process.execs import ExecOptions
    from lading.runtime.process.launch import Launch
    from lading.runtime.process.session import RunResult, Started
    from lading.store.store import Store
    from lading.verify.judgement.verdict import Verdict

_KILL_PATIENCE = 10.0
_FOREVER = 1e6
"""Seconds that are waited for without an end; poll counts milliseconds in 31 bits."""


class Runtime:
    """The containers of one store, opened when first needed. Without a `driver` only the networks none and host exist.

    Whoever calls holds the run folder meanwhile (`run_folder.RunFolder`): the end of the last container takes one that
    nobody holds away.
    """

    @border
    def __init__(self, config: RuntimeConfig, store: Callable[[], Store], driver: Drivers | None) -> None:
        self._life = Lifecycle(config, store, driver)

    @border
    def run(self, verdict: Verdict, options: RunOptions, streams: Streams | None = None) -> RunResult:
        """Runs the image that `verdict` let in; there is no other way to name one.

        With `options.detach` it returns once the program was started, else when it ended or the caller detached.
        Raises `StartError` (its `code` is 126, 127 or 125) and what the store, driver and machine raise; whatever it
        raises, nothing of the container is left.
        """
        from lading.runtime.containers import inspect  # noqa: PLC0415
        from lading.runtime.process.launch import Launch  # noqa: PLC0415
        from lading.runtime.process.verified_image import check_tree, verified_image  # noqa: PLC0415

        options.validate()
        streams = streams or Streams(None)
        threading.Thread(target=self._life.cgroups.warm, daemon=True).start()
        self._life.recover_if_needed()
        store = self._life.store
        with ExitStack() as stack:
            with store.writing():
                image = verified_image(verdict, store)
                _check_caller()
                launch = Launch(
                    self._life,
                    image,
                    options,
                    verdict=inspect.verdict(verdict),
                    held=(verdict.manifest, *([verdict.index] if verdict.index else [])),
                    streams=streams,
                    check=cache(partial(check_tree, verdict, image, store)),
                    meanwhile=_load_session,
                )
                started = self._start(stack.enter_context(closing(launch)))
            from lading.runtime.process import session  # noqa: PLC0415

            return session.foreground(started, streams, options)

    def _start(self, launch: Launch) -> Started:
        with launch.create() as created:
            from lading.runtime.process import session  # noqa: PLC0415

            return session.begin(created, launch.streams, attach=not launch.options.detach)

    @border
    def list(self, *, every: bool = False) -> list[Container]:
        """The running containers, or all, newest first."""
        found: list[Container] = []
        for record in self._life.records.all():
            current = self._life.settle(record)
            if current and (every or current.status == "running"):
                found.append(current)
        return found

    @border
    def find(self, text: str) -> Container:
        """A container by name, id or the beginning of an id. Raises `NoSuchContainerError`."""
        record = self._life.records.find(text)
        return self._life.settle(record) or self._life.records.find(text)

    @border
    def inspect(self, text: str) -> dict[str, object]:
        """A container in the shape of docker's inspect, with the verdict's summary under ``Lading``."""
        from lading.runtime.containers import inspect  # noqa: PLC0415

        record = self.find(text)
        return inspect.inspect(record, str(self._life.records.folder(record.id) / "log"))

    @border
    def execute(self, text: str, options: ExecOptions, streams: Streams | None = None) -> int:
        """A further process in a running container; its exit code. Raises `StartError`, `InputError`."""
        from lading.runtime.process import execs  # noqa: PLC0415

        return execs.execute(self._life, self.find(text), options, streams or Streams())

    @border
    def logs(
        self,
        text: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> Iterator[LogLine]:
        """What a container wrote, and with `follow` what it writes until it ends."""
        from lading.runtime.containers import logs  # noqa: PLC0415

        record, now = self.find(text), time.time()
        span = logs.Span(
            None if since is None else logs.moment(since, now, "since"),
            None if until is None else logs.moment(until, now, "until"),
        )
        file = self._life.records.folder(record.id) / "log"
        return logs.read(file, tail=tail, span=span, follow=self._runs(record) if follow else None)

    def _runs(self, record: Container) -> Callable[[], bool]:
        return lambda: bool(record.status == "running" and record.process and record.process.alive)

    @border
    def wait(self, text: str) -> int:
        """Blocks until a container ended; its exit code."""
        record = self.find(text)
        return self._wait_for(record) if record.active else record.exit_code

    def _wait_for(self, record: Container) -> int:
        from lading.runtime.process.session import wait_for  # noqa: PLC0415

        return wait_for(self._life, record)

    @border
    def kill(self, text: str, name: str = "SIGKILL") -> None:
        """Sends a signal to a container's first process. Raises `InputError` unless it runs."""
        from lading.runtime.spec.process_config import signal_number  # noqa: PLC0415

        number = signal_number(name)
        record = self.find(text)
        if not self._signal(record, number):
            raise InputError(f"container {record.name} is not running")

    def _signal(self, record: Container, number: int) -> bool:
        fd = record.process.open() if record.status == "running" and record.process else None
        if fd is None:
            return False
        try:
            signal.pidfd_send_signal(fd, number)
        finally:
            os.close(fd)
        return True

    @border
    def stop(self, text: str, timeout: float | None = None) -> None:
        """Asks a container to end with its own stop signal, and after `timeout` seconds (-1: never) kills it."""
        from lading.runtime.spec.process_config import signal_number  # noqa: PLC0415

        record = self.find(text)
        patience = record.stop_timeout if timeout is None else timeout
        with self._life.seeing_off(record):
            for number, seconds in ((signal_number(record.stop_signal), patience), (signal.SIGKILL, _KILL_PATIENCE)):
                if not self._signal(record, number):
                    break
                if self._ended(record, seconds):
                    break
            else:
                raise MachineError(f"container {record.name} does not end, not even when killed")
            self._wait_for(record)

    def _ended(self, record: Container, seconds: float) -> bool:
        fd = record.process.open() if record.process else None
        if fd is None:
            return True
        try:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            return bool(poll.poll(seconds * 1000 if 0 <= seconds < _FOREVER else None))
        finally:
            os.close(fd)

    @border
    def remove(self, text: str, *, force: bool = False, volumes: bool = False) -> None:
        """Removes a container that ended; with `force` a running one is killed, with `volumes` its anonymous go too."""
        record = self.find(text)
        if record.active and not force:
            raise InputError(
                f"container {record.name} is {record.status}",
                hint=Remedy("stop or remove by force", "stop it first, or remove it by force", record.name),
            )
        with self._life.records.lock(record.id) as held, self._life.seeing_off(record):
            current = self._life.records.read(record.id) if held else None
            if current and current.active:
                current = self._life.finish(current)
            if current:
                self._life.discard(current, volumes=volumes)

    @border
    def recover(self) -> None:
        """Takes down whatever killed processes left behind."""
        self._life.recover()


def _check_caller() -> None:
    if os.geteuid() != 0:
        raise MachineError(
            "only root can start a container: for other users that is not built yet", hint="call it as root"
        )


def _load_session() -> None:
    """What comes next, loaded while there is time for it."""
    from lading.runtime.process import session  # noqa: F401, PLC0415 # pyright: ignore[reportUnusedImport]
