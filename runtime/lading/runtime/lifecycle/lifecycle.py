"""How containers end, whatever ended them: finished, removed, and recovered after a kill -9 of anything of ours.

Everything here may be done twice, by two processes, and starts from what is on disk.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lading.runtime.cgroups.groups import Cgroups
from lading.runtime.containers import naming
from lading.runtime.containers.container import Container
from lading.runtime.containers.records import ContainerRecords, remove_folder
from lading.runtime.oci.oci_runtime import OciRuntime
from lading.runtime.oci.processes import find
from lading.store.errors import MachineError
from lading.store.fastclass import dataclass, replace
from lading.store.snapshots.mounts import unmount
from lading.store.system.locks import open_lock, take

if TYPE_CHECKING:
    from lading.runtime.containers.networks import Drivers
    from lading.runtime.containers.volumes import Volumes
    from lading.store.store import Store

OWNER: Final = "owner"
"""The file in a container's bundle that is locked by who will clean up after it."""
UNKNOWN_CODE: Final = 255
"""The exit code on record where the monitor was killed and nobody saw the container end."""
_MAX_RUN_DIR: Final = 88
"""A socket's path ends at 107 bytes."""
_MONITOR_PATIENCE: Final = 10.0
_KEPT: Final = 600.0
"""Seconds for which the exit code of a removed container can still be asked for by those who wait."""


@dataclass(frozen=True, slots=True)
class RuntimeConfig:
    """Where containers live: `root` outlives a reboot, `run_dir` (short, sockets lie below it) does not."""

    root: Path
    run_dir: Path
    oci_runtime: str = "crun"
    python: str = sys.executable


class Lifecycle:
    """The containers of one root and what they hold in the kernel."""

    def __init__(self, config: RuntimeConfig, store: Callable[[], Store], driver: Drivers | None) -> None:
        if len(os.fsencode(config.run_dir)) > _MAX_RUN_DIR or ":" in str(config.run_dir):
            raise MachineError(f"{config.run_dir}: at most {_MAX_RUN_DIR} bytes and no colon, for sockets lie below it")
        self.config = config
        self.records = ContainerRecords(config.root, config.run_dir)
        self.cgroups = Cgroups.detect()
        self.driver = driver
        self.oci = OciRuntime(find(config.oci_runtime), config.run_dir / "oci")
        self._store = store
        self._exited = config.run_dir / "exited"

    @cached_property
    def volumes(self) -> Volumes:
        """Those of the root."""
        from lading.runtime.containers.volumes import Volumes  # noqa: PLC0415

        return Volumes(self.config.root)

    @property
    def store(self) -> Store:
        """Opened when first needed."""
        return self._store()

    def finish(self, record: Container) -> Container | None:
        """Takes down what an ended container holds and writes its end down; None where it was removed with that.

        The caller holds the container's lock. A container whose maker died is removed.
        """
        bundle = self.records.run(record.id)
        code = _exit_code(record, bundle)
        oom = (bundle / "oom").exists() or self.cgroups.killed_for_memory(record.id)
        self._release(record)
        if record.status == "creating" or (record.status == "created" and code is None):
            self.discard(record)
            return None
        known = replace(
            record,
            status="exited",
            exit_code=UNKNOWN_CODE if code is None else code,
            oom=oom,
            finished=_finished(bundle),
            error="its monitor was killed, so nobody saw it end" if code is None else "",
            attachment=None,
        )
        if record.remove:
            if (bundle / "waiting").exists():
                self._remember(record.id, known.exit_code)
            self.discard(known)
            return None
        self.records.write(known, durable=True)
        remove_folder(bundle)
        return known

    @contextmanager
    def seeing_off(self, record: Container) -> Generator[None, None, None]:
        """The monitor's exit command waits meanwhile, and starts Python only for what is left to do then."""
        try:
            owner = open_lock(self.records.run(record.id) / OWNER)
        except (FileNotFoundError, NotADirectoryError):  # it has ended
            yield
            return
        try:
            take(owner, wait=False)  # else a `run` in the foreground has it
            yield
        finally:
            os.close(owner)

    def _release(self, record: Container) -> None:
        """Gives back kernel objects in reverse order of their making."""
        if record.status == "creating":
            self._end_making(record.id)
        unsure = record.status in ("creating", "created") and self.oci.knows(record.id)
        if unsure or (record.process and record.process.alive):
            self.oci.delete(record.id)
        remove_folder(self.oci.state / record.id)
        self.cgroups.remove(record.id)
        if self.cgroups.occupied(record.id):
            self.oci.delete(record.id)
            self.cgroups.remove(record.id)
        if record.network == "default" and self.driver:
            from lading.runtime.containers import networks  # noqa: PLC0415

            self.driver().detach(record.id)
            networks.refresh(self.driver, self.records, self.config.run_dir)
        unmount(self.records.rootfs(record.id))

    def _end_making(self, container: str) -> None:
        """Ends a monitor that goes on with what its killed maker began, and the OCI runtime below it."""
        from lading.runtime.lifecycle.sandboxes import end_runtime  # noqa: PLC0415

        end_runtime(container, find("conmon"), self.oci.path)

    def discard(self, record: Container, *, volumes: bool = True) -> None:
        """Removes a container that holds nothing in the kernel any more."""
        self._free(record.id)
        if volumes:
            for name in record.volumes:
                self.volumes.remove(name)
        self.records.delete(record)

    def _free(self, container: str) -> None:
        store = self.store
        with store.index.transaction():
            store.release(container)
            if store.snapshots.stat(container):
                store.snapshots.remove(container)

    def is_over(self, record: Container) -> bool:
        """Whether an active record is out of date: its process ended, or whoever made it died on the way."""
        if record.status == "running":
            return not (record.process and record.process.alive)
        if record.status == "created":
            return not (record.process and record.process.alive) or self._abandoned(record.id)
        return record.status == "creating" and self._abandoned(record.id)

    def _abandoned(self, container: str) -> bool:
        """Its maker holds the lock for as long as it is at work."""
        with self.records.lock(container, wait=False) as held:
            return held or not self.records.folder(container).exists()

    def settle(self, record: Container) -> Container | None:
        """The record brought up to date with the kernel; None where the container is gone."""
        if not record.active or not self.is_over(record):
            return record
        with self.records.lock(record.id) as held:
            current = self.records.read(record.id) if held else None
            if current is None or not current.active or not self.is_over_held(current):
                return current
            return self.finish(current)

    def is_over_held(self, record: Container) -> bool:
        """As `is_over`, for the holder of the lock: a maker cannot be at work."""
        return record.status in ("creating", "created") or not (record.process and record.process.alive)

    def recover_if_needed(self) -> None:
        """As `recover`, where a glance says that something that should be alive is not: cheap enough for any verb."""
        if any(self._looks_dead(container) for container in self.records.runs()):
            self.recover()

    def _looks_dead(self, container: str) -> bool:
        try:
            pid = (self.records.run(container) / "conmon.pid").read_text()
        except OSError:
            pid = "none"
        return not os.path.exists(f"/proc/{pid}") and self._abandoned(container)

    def recover(self) -> None:
        """Settles every container and sweeps what belongs to none, after whatever was killed."""
        for container in self.records.ids():
            record = self.records.read(container)
            if record is None:
                self._sweep(container)
            elif record.active:
                self.settle(record)
            else:  # a kill may have come between the end of `finish` and what it removes last
                remove_folder(self.records.run(container))
        known = set(self.records.ids())
        for container in set(self.records.runs()) - known:
            self._sweep(container)
        self.records.drop_stale_names()
        self.recover_builds()
        with self.store.collecting() as alone:
            if alone:
                self.store.snapshots.sweep()
        self._forget()

    def recover_builds(self) -> None:
        """Takes down the sandboxes of builds that were killed, and every network that nobody uses."""
        from lading.runtime.containers import networks  # noqa: PLC0415
        from lading.runtime.lifecycle import sandboxes  # noqa: PLC0415

        sandboxes.sweep(self.config.run_dir, self.oci, self.cgroups, self.driver)
        if self.driver:
            networks.sweep(self.driver, self.config.run_dir, self._live)

    def _live(self) -> set[str]:
        from lading.runtime.lifecycle import sandboxes  # noqa: PLC0415

        return {*self.records.ids(), *sandboxes.names(self.config.run_dir)}

    def _sweep(self, container: str) -> None:
        """Removes what a maker left that died before it wrote a record, or a remover that died late."""
        with self.records.lock(container, wait=False) as held:
            if not held and self.records.folder(container).exists():
                return
            self._end_making(container)
            if self.oci.knows(container):
                self.oci.delete(container)
            self.cgroups.remove(container)
            unmount(self.records.rootfs(container))
            self._free(container)
            self.records.delete(container)

    def _remember(self, container: str, code: int) -> None:
        self._exited.mkdir(mode=0o700, exist_ok=True)
        (self._exited / container).write_text(str(code))

    def remembered(self, container: str) -> int | None:
        """The exit code of a container removed a short while ago."""
        try:
            return int((self._exited / container).read_text())
        except (OSError, ValueError):
            return None

    def _forget(self) -> None:
        if not self._exited.is_dir():
            return
        for entry in os.scandir(self._exited):
            with suppress(OSError):
                if time.time() - entry.stat().st_mtime > _KEPT:
                    os.unlink(entry.path)


def _exit_code(record: Container, bundle: Path) -> int | None:
    """What the monitor wrote down; one that has not come to it yet, right after the program ended, is waited for."""
    from lading.runtime.oci import conmon  # noqa: PLC0415

    until = time.monotonic() + _MONITOR_PATIENCE
    while (code := conmon.exit_code(bundle)) is None and time.monotonic() < until:
        if (record.process and record.process.alive) or not (record.monitor and record.monitor.alive):
            return conmon.exit_code(bundle)
        time.sleep(0.002)
    return code


def _finished(bundle: Path) -> str:
    try:
        return naming.timestamp((bundle / "exit").stat().st_mtime_ns)
    except OSError:
        return naming.now()
