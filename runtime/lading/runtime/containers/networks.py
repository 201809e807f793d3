"""Joins containers to the network through a driver, and keeps their /etc/hosts files current: no daemon resolves names.

Every container of a network lists the others by name and short id, in a place of its own among the lines of the file.
It is renewed whenever one comes or goes, by whoever does that, one process at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lading.runtime.containers.container import Container
from lading.runtime.containers.records import ContainerRecords
from lading.runtime.options import RunOptions
from lading.runtime.spec import etc_files
from lading.store.errors import MachineError, Remedy
from lading.store.fastclass import replace
from lading.store.system.locks import locked, open_lock

if TYPE_CHECKING:
    from lading.networking.driver import Attachment, Driver

Drivers = Callable[[], "Driver"]
"""Gives the driver of a network, which is imported and made when a container first needs it."""
_MAX_NAMES: Final = 100_000


@contextmanager
def gate(run_dir: Path, name: str = "network.lock") -> Generator[None, None, None]:
    """One process at a time: joining, sweeping, or rewriting hosts files."""
    with locked(open_lock(run_dir / name)):
        yield


def default_driver(run_dir: Path) -> Driver:
    """The default network's driver, with its state where every process of this root finds it."""
    from lading.networking.routed.routed import RoutedDriver  # noqa: PLC0415 - only where there is a network

    return RoutedDriver(_state(run_dir))


def _state(run_dir: Path) -> Path:
    return run_dir / "network"


def join(driver: Drivers | None, record: Container, options: RunOptions, hostname: str, run_dir: Path) -> Attachment:
    """Attaches a recorded container to the default network. Raises what the driver raises."""
    if driver is None:
        raise MachineError(
            "there is no network driver here", hint=Remedy("other network", "give it the network none or host")
        )
    from lading.networking.driver import AttachRequest  # noqa: PLC0415 - only where there is a network

    names = tuple(dict.fromkeys((record.name, record.short, hostname)))
    with gate(run_dir):
        return driver().attach(AttachRequest(record.id, names, options.publish))


def join_sandbox(driver: Drivers, name: str, bundle: Path, run_dir: Path) -> str:
    """Attaches a build's sandbox, which nobody looks for by name; the path of its network namespace."""
    from lading.networking.driver import AttachRequest  # noqa: PLC0415 - only where there is a network

    (bundle / "network").touch()
    with gate(run_dir):
        return str(driver().attach(AttachRequest(name)).netns)


def sweep(driver: Drivers, run_dir: Path, live: Callable[[], Collection[str]]) -> None:
    """Removes the networks of whatever does not live; nobody joins between the count and the removal.

    Without a trace of a network there is nothing to do.
    """
    with gate(run_dir):
        if _state(run_dir).exists():
            driver().recover(live())


def refresh(driver: Drivers, records: ContainerRecords, run_dir: Path) -> None:
    """Renews the hosts file of every attached container."""
    with gate(run_dir, "hosts.lock"):
        lines = {attachment.container: _lines(attachment) for attachment in driver().attachments()[:_MAX_NAMES]}
        for container in lines:
            others = "".join(text for other, text in lines.items() if other != container)
            etc_files.renew(records.folder(container) / "hosts", others)


def own_lines(attachment: Attachment, hostname: str) -> str:
    """A container's own lines, its host name first: that is what `hostname -f` tells."""
    return _lines(replace(attachment, names=(hostname, *(name for name in attachment.names if name != hostname))))


def _lines(attachment: Attachment) -> str:
    names = " ".join(attachment.names)
    addresses = (attachment.ipv4, attachment.ipv6)
    return "".join(f"{address.partition('/')[0]}\t{names}\n" for address in addresses if address)


def document(record: Container) -> dict[str, object]:
    """`NetworkSettings` of docker's inspect."""
    attached = record.attachment
    if attached is None:
        return {"IPAddress": "", "Gateway": "", "Ports": {}, "Networks": {}}
    attachment = _attachment(attached)
    ports: dict[str, list[dict[str, str]]] = {}
    for port in attachment.published:
        bindings = ports.setdefault(f"{port.container_port}/{port.protocol}", [])
        bindings.append({"HostIp": port.host_ip or "0.0.0.0", "HostPort": str(port.host_port)})  # noqa: S104
    own = {
        "IPAddress": attachment.ipv4,
        "Gateway": attachment.gateway4,
        "GlobalIPv6Address": attachment.ipv6 or "",
        "IPv6Gateway": attachment.gateway6 or "",
    }
    return {**own, "Ports": ports, "SandboxKey": str(attachment.netns), "Networks": {attachment.network: own}}


def _attachment(document: object) -> Attachment:
    from lading.networking.driver import Attachment  # noqa: PLC0415 - only for inspect
    from lading.store.oci.json import canonical  # noqa: PLC0415

    return Attachment.parse(canonical(document))
