"""Where containers lie on disk: their folders, records, names and locks.

A name is a symbolic link in ``containers/names`` whose target is the id; making it is the claim, so two containers
never share one. A lock is a `flock` on a file in the container's folder and dies with its holder.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lading.runtime.containers import slots
from lading.runtime.containers.container import Container
from lading.store.errors import DocumentError, InputError, Remedy
from lading.store.system.locks import open_lock, take
from lading.store.system.private_folders import private_folder


class NoSuchContainerError(InputError):
    """No container has this name or id."""


class ContainerRecords:
    """The containers of one root, and their volatile halves below `run_dir`."""

    def __init__(self, root: Path, run_dir: Path) -> None:
        self._containers = root / "containers"
        self._names = self._containers / "names"
        self._run = run_dir / "containers"
        for folder in (self._containers, self._names, self._run):
            private_folder(folder)

    def folder(self, container: str) -> Path:
        """What outlives a reboot: record, log, files under /etc, the mount point of its root."""
        return self._containers / container

    def rootfs(self, container: str) -> Path:
        """Where its snapshot is mounted while it runs."""
        return self._containers / container / "rootfs"

    def run(self, container: str) -> Path:
        """What does not: bundle, sockets, pid files, exit file."""
        return self._run / container

    def claim(self, container: str, name: str) -> bool:
        """Takes `name` for a container; False where another holds it."""
        try:
            os.symlink(container, self._names / name)
        except FileExistsError:
            return self._holder(name) == container
        return True

    def _holder(self, name: str) -> str | None:
        try:
            return os.readlink(self._names / name)
        except OSError:
            return None

    def write(self, record: Container, *, durable: bool = False) -> None:
        """Replaces the record; with `durable` it also survives a power cut."""
        slots.replace(self.folder(record.id) / "state.json", record.raw(), durable=durable)

    def read(self, container: str) -> Container | None:
        """The record, None where the container is gone or was never wholly made."""
        path = self.folder(container) / "state.json"
        try:
            return Container.parse(path.read_bytes(), str(path))
        except (OSError, DocumentError):
            return None

    def ids(self) -> list[str]:
        """Every container that has a folder."""
        return sorted(entry.name for entry in os.scandir(self._containers) if len(entry.name) == 64)

    def runs(self) -> list[str]:
        """Every container that has a volatile half."""
        return sorted(entry.name for entry in os.scandir(self._run) if len(entry.name) == 64)

    def all(self) -> Iterator[Container]:
        """Every readable record, the newest first."""
        found = [record for container in self.ids() if (record := self.read(container))]
        yield from sorted(found, key=lambda record: record.created, reverse=True)

    def find(self, text: str) -> Container:
        """By name, id or unique prefix of an id. Raises `NoSuchContainerError`, `InputError` where several match."""
        name = text.removeprefix("/")
        if "/" not in name and name not in ("", ".", ".."):
            for container in (self._holder(name), name):
                if container and (record := self.read(container)):
                    return record
        matching = [container for container in self.ids() if text and container.startswith(text)]
        if len(matching) > 1:
            raise InputError(f"{text}: several containers have ids that begin so")
        if matching and (record := self.read(matching[0])):
            return record
        raise NoSuchContainerError(
            f"no such container: {text}", hint=Remedy("list containers", "list all, those that ended too")
        )

    def delete(self, record: Container | str) -> None:
        """Removes both halves of a container and its name; the record goes last."""
        container = record if isinstance(record, str) else record.id
        for _ in range(10):
            remove_folder(self.run(container))
            if not self.run(container).exists():
                break
            time.sleep(0.01)
        folder = self.folder(container)
        with suppress(OSError):
            os.rmdir(folder / "rootfs")
        if isinstance(record, Container) and self._holder(record.name) == container:
            (self._names / record.name).unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            while not self._emptied(folder):
                pass

    def _emptied(self, folder: Path) -> bool:
        """False where somebody asked for the lock at this moment, and so made its file anew."""
        for name in ("log", "log.tmp", "hosts", "resolv.conf", "hostname", "lock", "state.new", "state.json"):
            (folder / name).unlink(missing_ok=True)
        try:
            os.rmdir(folder)
        except OSError as error:
            if error.errno != errno.ENOTEMPTY or {entry.name for entry in os.scandir(folder)} - {"lock"}:
                raise
            return False
        return True

    def drop_stale_names(self) -> None:
        """Removes names whose container is gone."""
        for entry in os.scandir(self._names):
            if (holder := self._holder(entry.name)) and not self.folder(holder).exists():
                with suppress(OSError):
                    os.unlink(entry.path)

    @contextmanager
    def lock(self, container: str, *, wait: bool = True) -> Generator[bool, None, None]:
        """Holds the container's lock; yields False where it could not be had or the container is gone meanwhile."""
        try:
            fd = open_lock(self.folder(container) / "lock")
        except FileNotFoundError:
            yield False
            return
        try:
            yield take(fd, wait=wait) and os.fstat(fd).st_nlink > 0
        finally:
            os.close(fd)


def remove_folder(folder: Path) -> None:
    """Removes a folder of ours with what is in it, as far as it goes."""
    with suppress(OSError):
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                remove_folder(Path(entry.path))
            else:
                os.unlink(entry.path)
        os.rmdir(folder)
