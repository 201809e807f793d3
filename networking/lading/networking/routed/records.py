"""What a root's networks have on disk: `<state>/<network>/{network.json,lock,containers/ID.json,netns/ID}`.

It is as short-lived as what it describes: nothing is synced, because a power cut takes the kernel's state as well.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from lading.networking.driver import Attachment
from lading.networking.routed.subnets import choose
from lading.store.errors import DocumentError
from lading.store.oci.json import Fields, canonical, parse
from lading.store.system.locks import open_lock, take
from lading.store.system.machine_errors import machine_errors
from lading.store.system.private_folders import private_folder


class NetworkRecords:
    """The files of one network among those of a root."""

    def __init__(self, root: Path, name: str) -> None:
        self._root = root
        self.folder = root / name
        self._containers = self.folder / "containers"

    @contextmanager
    def gate(self) -> Generator[None, None, None]:
        """One process at a time. The last one out of a network without containers takes its folder away."""
        lock = self._lock()
        try:
            yield
        finally:
            self._tidy()
            os.close(lock)

    def _lock(self) -> int:
        with machine_errors(self.folder):
            while True:
                private_folder(self._containers)
                with suppress(FileNotFoundError):
                    lock = open_lock(self.folder / "lock")
                    if self._taken(lock):
                        return lock

    def _taken(self, lock: int) -> bool:
        """Whether it is ours, and closed where it is not: whoever held it took the folder away, or this failed."""
        try:
            take(lock)
            if os.fstat(lock).st_nlink:
                private_folder(self._containers)  # who was killed in `_tidy` left the lock alone
                return True
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)
        return False

    def _tidy(self) -> None:
        with suppress(OSError):
            (self.folder / "netns").rmdir()
        with suppress(OSError):
            self._containers.rmdir()
            for name in ("network.json", "lock"):
                (self.folder / name).unlink(missing_ok=True)
            self.folder.rmdir()
        with suppress(OSError):
            if os.listdir(self._root) == ["sysctls.json"]:
                (self._root / "sysctls.json").unlink()
            self._root.rmdir()

    def subnets(self, wanted4: IPv4Network | None, wanted6: IPv6Network | None) -> tuple[IPv4Network, IPv6Network]:
        """The network's two ranges, chosen when it is first used. Raises what `choose` raises."""
        file = self.folder / "network.json"
        found = _subnets(file)
        if found is None or (wanted4 or found[0], wanted6 or found[1]) != found:
            others = [
                subnet
                for other in self._root.glob("*/network.json")
                if other != file
                for subnet in _subnets(other) or ()
            ]
            found = choose(wanted4, wanted6, others)
            _replace(file, canonical({"subnet4": str(found[0]), "subnet6": str(found[1])}))
        return found

    def containers(self) -> list[str]:
        """The containers on record, readable or not, by id."""
        with machine_errors(self._containers), suppress(FileNotFoundError):
            return sorted(name[: -len(".json")] for name in os.listdir(self._containers) if name.endswith(".json"))
        return []

    def read(self, container: str) -> Attachment | None:
        """None where there is no record, or none that this version can read."""
        return _attachment(self._file(container))

    def everybody(self) -> list[Attachment]:
        """The attachments of all networks of this root."""
        folders = sorted(file.parent for file in self._root.glob("*/network.json"))
        return [attachment for folder in folders for attachment in attachments_in(folder)]

    def has(self, container: str) -> bool:
        """Whether there is a record."""
        return self._file(container).exists()

    def write(self, attachment: Attachment) -> None:
        """Puts an attachment on record."""
        _replace(self._file(attachment.container), attachment.json())

    def forget(self, container: str) -> None:
        """Takes a container off the record."""
        file = self._file(container)
        with machine_errors(file):
            file.unlink(missing_ok=True)

    def remember_settings(self, changed: dict[str, str]) -> None:
        """Notes settings of the host that were changed, with the values that they had before."""
        file = self._root / "sysctls.json"
        before: dict[str, str] = {}
        with suppress(OSError, DocumentError):
            fields = Fields(parse(file.read_bytes(), str(file)), str(file))
            before = {name: fields.text(name) for name in tuple(fields.names())}
        _replace(file, canonical({**changed, **before}))

    def _file(self, container: str) -> Path:
        return self._containers / f"{container}.json"


def attachments_in(folder: Path) -> list[Attachment]:
    """The attachments of one network, of whichever root; those that can be read."""
    found = (_attachment(file) for file in sorted((folder / "containers").glob("*.json")))
    return [attachment for attachment in found if attachment is not None]


def _attachment(file: Path) -> Attachment | None:
    try:
        return Attachment.parse(file.read_bytes(), str(file))
    except (OSError, DocumentError):
        return None


def _subnets(file: Path) -> tuple[IPv4Network, IPv6Network] | None:
    try:
        fields = Fields(parse(file.read_bytes(), str(file)), str(file))
        return IPv4Network(fields.text("subnet4")), IPv6Network(fields.text("subnet6"))
    except (OSError, ValueError, DocumentError):
        return None


def _replace(file: Path, data: bytes) -> None:
    part = file.with_suffix(".new")
    with machine_errors(file):
        part.write_bytes(data)
        part.replace(file)
