"""The default driver: every container has its own link, one address, and a route; there is no bridge.

What one container has is written to `<state>/containers/ID.json` before the kernel is touched, and removed after
the kernel is clean again, so any process can finish what a killed one began. Two roots on one machine share the
kernel: an address is taken by the route to it, a published port by its element in the table, and the second
taker is refused there and chooses another.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import socket
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from lading.networking import links, namespaces, nfnetlink, ports, table
from lading.networking.driver import Attachment, AttachRequest, Publish
from lading.networking.elements import addresses_of, own_elements, port_elements
from lading.networking.links import End
from lading.networking.netlink import Netlink, NetlinkError
from lading.networking.nfnetlink import Element
from lading.networking.system import has_ipv6, mtu, switch_on_forwarding
from lading.store.errors import DocumentError, MachineError
from lading.store.fastclass import dataclass

GATEWAY4: Final = "169.254.1.1"
GATEWAY6: Final = "fe80::1"
PREFIX: Final = "lad"
"""What the names of host links begin with; the rules of the table go by it."""

_HOST_MAC: Final = bytes.fromhex("02001adb1001")
_GROUP: Final = 0
_TRIES: Final = 64


@dataclass(frozen=True, slots=True)
class Subnet:
    """Where a network's addresses come from: the first `bits` of each."""

    address: str
    bits: int

    @property
    def packed(self) -> bytes:
        """Four or sixteen bytes."""
        return socket.inet_pton(socket.AF_INET6 if ":" in self.address else socket.AF_INET, self.address)

    def host(self, number: int) -> bytes:
        """The address with that host part."""
        packed = self.packed
        value = int.from_bytes(packed, "big") | number
        return value.to_bytes(len(packed), "big")

    @property
    def last(self) -> bytes:
        """The highest address."""
        return self.host(2 ** (8 * len(self.packed) - self.bits) - 1)


_SUBNET4: Final = Subnet("10.142.0.0", 16)
_SUBNET6: Final = Subnet("fd4c:6164:696e:6701::", 64)


class RoutedDriver:
    """A `Driver`. `state` is a folder that lasts until the next boot."""

    def __init__(
        self,
        state: Path,
        name: str = "default",
        subnet4: Subnet = _SUBNET4,
        subnet6: Subnet = _SUBNET6,
    ) -> None:
        self._state = state / name
        self._containers = self._state / "containers"
        self._name = name
        self._subnet4 = subnet4 or Subnet("10.142.0.0", 16)
        self._subnet6 = subnet6 or Subnet("fd4c:6164:696e:6701::", 64)

    # The protocol

    def attach(self, request: AttachRequest) -> Attachment:
        """Makes the container's network namespace and joins it; all or nothing."""
        with self._gate():
            if self._file(request.container).exists():
                raise MachineError(f"container {request.container} has a network already")
            ipv6 = has_ipv6()
            published = ports.settle(request.publish, ipv6=ipv6)
            attachment = self._plan(request, published, ipv6)
            for _ in range(_TRIES):
                try:
                    return self._make(attachment)
                except _TakenError:
                    attachment = self._elsewhere(attachment)
            raise MachineError(f"the network {self._name} has no free address")

    def detach(self, container: str) -> None:
        """Removes everything `attach` made for the container; one that is not attached is fine."""
        with self._gate():
            attachment = self._read(self._file(container))
            if attachment is not None:
                self._unmake(attachment, wait=False)

    def recover(self, live: Collection[str]) -> tuple[str, ...]:
        """Detaches every container not among `live`, whatever state a crash left it in, and names those it swept."""
        with self._gate():
            gone = [file.stem for file in self._files() if file.stem not in live]
            for container in gone:
                attachment = self._read(self._file(container))
                if attachment is not None:
                    self._unmake(attachment)
                self._file(container).unlink(missing_ok=True)
            return tuple(gone)

    def attachments(self) -> tuple[Attachment, ...]:
        """The containers attached now, by id."""
        found = (self._read(file) for file in self._files())
        return tuple(attachment for attachment in found if attachment is not None)

    # State

    @contextmanager
    def _gate(self) -> Generator[None, None, None]:
        """One process at a time."""
        self._containers.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _file(self, container: str) -> Path:
        return self._containers / f"{container}.json"

    def _files(self) -> list[Path]:
        return sorted(self._containers.glob("*.json")) if self._containers.is_dir() else []

    def _read(self, file: Path) -> Attachment | None:
        """None for a file that a kill left half written: then nothing was made yet."""
        try:
            return Attachment.parse(file.read_bytes(), str(file))
        except FileNotFoundError:
            return None
        except DocumentError:
            file.unlink(missing_ok=True)
            return None

    def _write(self, attachment: Attachment) -> None:
        # No fsync: this state is the kernel's, which a power cut takes as well.
        file = self._file(attachment.container)
        part = file.with_suffix(".new")
        part.write_bytes(attachment.json())
        part.replace(file)

    # Planning

    def _plan(self, request: AttachRequest, published: tuple[Publish, ...], ipv6: bool) -> Attachment:
        digest = hashlib.sha256(f"{self._name}/{self._state}/{request.container}".encode()).hexdigest()
        plan = Attachment(
            container=request.container,
            network=self._name,
            netns=self._state / "netns" / request.container,
            interface=request.interface,
            link=f"{PREFIX}{digest[:12]}",
            ipv4="",
            ipv6="" if ipv6 else None,
            gateway4=GATEWAY4,
            gateway6=GATEWAY6 if ipv6 else None,
            mtu=mtu(),
            published=published,
            names=request.names,
        )
        return self._elsewhere(plan)

    def _elsewhere(self, plan: Attachment) -> Attachment:
        """The same with another address, chosen by chance: the kernel says whether it is free."""
        number = secrets.randbelow(2 ** (32 - self._subnet4.bits) - 3) + 2
        ipv6 = None if plan.ipv6 is None else links.show(self._subnet6.host(number))
        return replace(plan, ipv4=links.show(self._subnet4.host(number)), ipv6=ipv6)

    # Making

    def _make(self, attachment: Attachment) -> Attachment:
        self._write(attachment)
        try:
            switch_on_forwarding()
            namespaces.create(attachment.netns)
            self._link(attachment)
            self._open_ports(attachment)
        except BaseException as error:
            self._unmake(attachment)
            if isinstance(error, NetlinkError):
                raise MachineError(f"the network of {attachment.container}: {error.strerror}") from error
            raise
        return attachment

    def _link(self, attachment: Attachment) -> None:
        addresses = addresses_of(attachment)
        mac = b"\x02\x42" + addresses[0]
        namespace = os.open(attachment.netns, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with Netlink() as here:
                host, container = End(attachment.link, _HOST_MAC), End(attachment.interface, mac)
                here.send([links.veth(host, container, namespace, attachment.mtu, _GROUP)])
                index = socket.if_nametoindex(attachment.link)
                self._take_addresses(here, addresses, index)
                here.send(
                    [
                        links.up(index),
                        links.no_own_address(index),
                        links.route_loopback(index),
                        *(links.neighbour(address, mac, index) for address in addresses),
                    ]
                )
        finally:
            os.close(namespace)
        namespaces.inside(attachment.netns, lambda: _configure(attachment, addresses))

    def _take_addresses(self, here: Netlink, addresses: Sequence[bytes], index: int) -> None:
        here.send([links.up(index)])
        try:
            here.send([links.route(address, index) for address in addresses])
        except NetlinkError as error:
            if error.errno == errno.EEXIST:
                raise _TakenError from error
            raise

    def _open_ports(self, attachment: Attachment) -> None:
        """Lets the container's own packets pass, and publishes its ports; a port that another has is refused."""
        try:
            self._add_elements(attachment)
        except FileNotFoundError:
            # Nobody has loaded the table yet, or somebody flushed it: with it went what others had in it.
            table.install()
            for other in self.attachments():
                if other.container != attachment.container:
                    self._add_elements(other)
            self._add_elements(attachment)

    def _add_elements(self, attachment: Attachment) -> None:
        nfnetlink.add(table.NAME, [*self._network_elements(), *own_elements(attachment)])
        taken: list[Element] = []
        for published in attachment.published:
            elements = port_elements(attachment, published)
            try:
                nfnetlink.add(table.NAME, elements, new=True)
            except FileExistsError as error:
                nfnetlink.delete(table.NAME, taken)
                raise ports.refused(published, error) from None
            taken += elements

    def _network_elements(self) -> list[Element]:
        """Who belongs to this network: its whole range may speak to itself."""
        first4, last4 = self._subnet4.packed, self._subnet4.last
        first6, last6 = self._subnet6.packed, self._subnet6.last
        return [
            Element("same4", first4 + first4, end=last4 + last4),
            Element("same6", first6 + first6, end=last6 + last6),
        ]

    def _unmake(self, attachment: Attachment, *, wait: bool = True) -> None:
        """Takes everything down; what is not there is fine.

        The link goes with its namespace, some milliseconds later; waiting for that costs ninety.
        """
        elements = own_elements(attachment)
        for published in attachment.published:
            elements += [item for item in port_elements(attachment, published) if nfnetlink.holds(table.NAME, item)]
        nfnetlink.delete(table.NAME, elements)
        if wait:
            with Netlink() as here, suppress(NetlinkError):
                here.send([links.delete(attachment.link)])
        namespaces.remove(attachment.netns)
        self._file(attachment.container).unlink(missing_ok=True)


class _TakenError(Exception):
    """Somebody has the address."""


def _configure(attachment: Attachment, addresses: Sequence[bytes]) -> None:
    """The container's side, called inside its namespace."""
    gateways = [socket.inet_aton(GATEWAY4), *([socket.inet_pton(socket.AF_INET6, GATEWAY6)] if attachment.ipv6 else [])]
    index = 2
    with Netlink() as there:
        there.send([links.no_own_address(index), links.up(1), links.up(index)])
        there.send([links.address(address, index) for address in addresses])
        for gateway in gateways:
            there.send(
                [
                    links.route(gateway, index),
                    links.neighbour(gateway, _HOST_MAC, index),
                    links.default_route(gateway, index),
                ]
            )
