"""What a network driver is asked for and what it answers.

The life of an attachment is that of one boot: it lives in the kernel, and on disk only so that another process
can take it down after a `kill -9`. A container must be on record as live *before* `Driver.attach` is called,
because `Driver.recover` removes what belongs to no live container.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final, Literal, Protocol

from lading.store.errors import DocumentError, InputError
from lading.store.fastclass import dataclass
from lading.store.oci.json import Fields, canonical, parse
from lading.store.system.patterns import pattern

Transport = Literal["tcp", "udp"]

_CONTAINER: Final = pattern(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_NAME: Final = pattern(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9])?")
_INTERFACE: Final = pattern(r"[A-Za-z][A-Za-z0-9_.-]{0,14}")


@dataclass(frozen=True, slots=True)
class PortMapping:
    """One port of a container, reachable on the host.

    `host_ip` None means every address of the host, IPv4 and IPv6. `host_port` 0 asks for a free ephemeral port;
    with `host_port_end` the first free port from `host_port` to `host_port_end` is taken. What an `Attachment`
    lists is settled: a port above 0, and no end.
    """

    host_ip: str | None
    host_port: int
    container_port: int
    protocol: Transport = "tcp"
    host_port_end: int | None = None

    def document(self) -> dict[str, object]:
        """The settled port as a member of an attachment's JSON."""
        return {
            "hostIP": self.host_ip,
            "hostPort": self.host_port,
            "containerPort": self.container_port,
            "protocol": self.protocol,
        }

    @classmethod
    def read(cls, value: object, where: str) -> PortMapping:
        """The inverse of `document`."""
        fields = Fields(value, where)
        protocol = fields.text("protocol")
        if protocol not in ("tcp", "udp"):
            raise DocumentError(f"{where}: protocol: expected tcp or udp, found {protocol!r}")
        result = cls(
            fields.optional_text("hostIP"),
            fields.integer("hostPort"),
            fields.integer("containerPort"),
            "udp" if protocol == "udp" else "tcp",
        )
        fields.close()
        return result


@dataclass(frozen=True, slots=True)
class AttachRequest:
    """A container that wants a network: its id, the names it is found by, the ports it publishes.

    Raises `InputError` for an id or a name that could not stand in a path or a hosts file.
    """

    container: str
    names: tuple[str, ...] = ()
    publish: tuple[PortMapping, ...] = ()
    interface: str = "eth0"

    def __post_init__(self) -> None:
        if not _CONTAINER.fullmatch(self.container):
            raise InputError(f"not a container id: {self.container!r}")
        for name in self.names:
            if not _NAME.fullmatch(name):
                raise InputError(f"not a host name: {name!r}", hint="letters, digits, dots, dashes, underscores")
        if not _INTERFACE.fullmatch(self.interface) or self.interface == "lo":
            raise InputError(f"not an interface name: {self.interface!r}")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A container's place in a network, as `attach` made it.

    `netns` is the path at which the network namespace is bound, `interface` the link inside it, `link` the link of
    the host that it leads to. Without IPv6, `ipv6` and `gateway6` are None.
    """

    container: str
    network: str
    netns: Path
    interface: str
    link: str
    ipv4: str
    ipv6: str | None
    gateway4: str
    gateway6: str | None
    mtu: int
    published: tuple[PortMapping, ...]
    names: tuple[str, ...]

    def json(self) -> bytes:
        """The attachment as RFC 8785 JSON."""
        return canonical(
            {
                "container": self.container,
                "network": self.network,
                "netns": str(self.netns),
                "interface": self.interface,
                "link": self.link,
                "ipv4": self.ipv4,
                "ipv6": self.ipv6,
                "gateway4": self.gateway4,
                "gateway6": self.gateway6,
                "mtu": self.mtu,
                "published": [port.document() for port in self.published],
                "names": list(self.names),
            }
        )

    @classmethod
    def parse(cls, data: bytes, source: str = "attachment") -> Attachment:
        """The inverse of `json`. Raises `DocumentError`."""
        fields = Fields(parse(data, source), source)
        result = cls(
            container=fields.text("container"),
            network=fields.text("network"),
            netns=Path(fields.text("netns")),
            interface=fields.text("interface"),
            link=fields.text("link"),
            ipv4=fields.text("ipv4"),
            ipv6=fields.optional_text("ipv6"),
            gateway4=fields.text("gateway4"),
            gateway6=fields.optional_text("gateway6"),
            mtu=fields.integer("mtu"),
            published=fields.each("published", PortMapping.read),
            names=fields.strings("names"),
        )
        fields.close()
        return result


class Driver(Protocol):
    """A way to give containers a network. Safe to call from several threads and processes at once."""

    def attach(self, request: AttachRequest) -> Attachment:
        """Makes the container's network namespace and joins it; all or nothing.

        Everything that can be known before is looked at first, and nothing is done until then. Raises `InputError` for
        a request that cannot be met as asked (a host address that is not the host's, a port where the driver publishes
        none), `MachineError` for a port in use, a lack of addresses, or a kernel that refuses.
        """
        ...

    def detach(self, container: str) -> None:
        """Removes everything `attach` made for the container; a container that is not attached is fine."""
        ...

    def recover(self, live: Collection[str]) -> tuple[str, ...]:
        """Detaches every container not among `live`, whatever state a crash left it in, and names those it swept."""
        ...

    def attachments(self) -> tuple[Attachment, ...]:
        """The containers attached now, by id."""
        ...
