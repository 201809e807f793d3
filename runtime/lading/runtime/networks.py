"""Joins containers to the network through a driver, and keeps their /etc/hosts files current: no daemon resolves names.

Every container of a network lists the others by name and short id. The files are rewritten in place whenever one comes
or goes, by whoever does that, one process at a time.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from lading.networking.driver import Attachment, AttachRequest, Driver
from lading.runtime import etc
from lading.runtime.options import RunOptions
from lading.runtime.records import Records
from lading.runtime.state import Container
from lading.store.errors import MachineError

_MAX_NAMES: Final = 100_000


def join(driver: Driver | None, record: Container, options: RunOptions, hostname: str) -> Attachment:
    """Attaches a container to the default network. Raises what the driver raises."""
    if driver is None:
        raise MachineError("there is no network driver here", hint="--network none or --network host")
    names = tuple(dict.fromkeys((record.name, record.short, hostname)))
    return driver.attach(AttachRequest(record.id, names, options.publish))


def refresh(driver: Driver, records: Records, run_dir: Path) -> None:
    """Rewrites the hosts file of every attached container."""
    lock = os.open(run_dir / "hosts.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        attachments = driver.attachments()[:_MAX_NAMES]
        text = etc.hosts("".join(_lines(attachment) for attachment in attachments))
        for attachment in attachments:
            file = records.folder(attachment.container) / "hosts"
            if file.parent.exists():
                etc.write(file, text)
    finally:
        os.close(lock)


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
    from lading.store.strict import canonical  # noqa: PLC0415 - only for inspect and ps

    return Attachment.parse(canonical(document))
