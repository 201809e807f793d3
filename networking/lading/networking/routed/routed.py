"""The default driver: every container has its own link, one address, and a route; there is no bridge.

What one container has is on record before the kernel is touched, and until the kernel is clean again, so any process
can finish what a killed one began. Two roots on one machine share the kernel: an address is taken by the route to it,
a published port by its element in the table, and the second taker is refused there; of addresses it takes another.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Final

from lading.networking import ports
from lading.networking.driver import Attachment, AttachRequest, PortMapping
from lading.networking.firewall import table
from lading.networking.firewall.elements import elements_of, network_element, port_elements
from lading.networking.kernel import conntrack, nfnetlink, rtnetlink
from lading.networking.kernel.netlink import Netlink, NetlinkError
from lading.networking.kernel.nfnetlink import Element
from lading.networking.kernel.sysctl import has_ipv6, mtu, switch_on_forwarding
from lading.networking.routed import veth
from lading.networking.routed.records import NetworkRecords, attachments_in
from lading.networking.routed.veth import GATEWAY4, GATEWAY6, PREFIX, AddressInUseError, HostNetwork
from lading.networking.routed.watch import LinkWatch, sweep
from lading.store.errors import MachineError
from lading.store.fastclass import replace
from lading.store.system.hashing import sha256
from lading.store.system.machine_errors import border

_TRIES: Final = 64


class RoutedDriver:
    """A `Driver`. `state` is a folder that lasts until the next boot; networks of one `state` share it.

    Subnets that are not given are chosen when the network is first used, clear of the host's own routes.
    """

    def __init__(
        self,
        state: Path,
        name: str = "default",
        subnet4: IPv4Network | None = None,
        subnet6: IPv6Network | None = None,
    ) -> None:
        self._records = NetworkRecords(state, name)
        self._name = name
        self._wanted = (subnet4, subnet6)
        seed = sha256(f"{name}/{state.absolute()}".encode())
        self._seed = seed.hexdigest()
        self._group = int.from_bytes(seed.digest()[:4], "big") >> 1 | 1

    # The protocol

    @border
    def attach(self, request: AttachRequest) -> Attachment:
        """Makes the container's network namespace and joins it; all or nothing."""
        with self._records.gate():
            plan = self._checked(request)
            subnets = self._records.subnets(*self._wanted)
            self._prepare(ipv6=plan.ipv6 is not None)
            place = HostNetwork(self._group, self._records.folder, subnets[1][1].packed)
            for _ in range(_TRIES):
                with suppress(AddressInUseError):
                    return self._make(_somewhere(plan, *subnets), place)
            raise MachineError(f"the network {self._name} has no free address")

    @border
    def detach(self, container: str) -> None:
        """Removes everything `attach` made for the container; one that is not attached is fine."""
        with self._records.gate():
            if self._records.has(container):
                self._unmake(self._records.read(container) or self._unread(container), insist=False)
                self._restore()

    @border
    def recover(self, live: Collection[str]) -> tuple[str, ...]:
        """Detaches every container not among `live`, whatever state a crash left it in, and names those it swept.

        Where somebody flushed the table, it is put back for those that live, of whichever root.
        """
        with self._records.gate():
            known = self._records.containers()
            gone = tuple(container for container in known if container not in live)
            for container in gone:
                self._unmake(self._records.read(container) or self._unread(container), insist=True)
            veth.sweep(self._group, {self._link_of(container) for container in known} - set(map(self._link_of, gone)))
            self._restore()
            return gone

    @border
    def attachments(self) -> tuple[Attachment, ...]:
        """The containers attached now, by id."""
        found = (self._records.read(container) for container in self._records.containers())
        return tuple(attachment for attachment in found if attachment is not None)

    @border
    def watch(self, container: str) -> LinkWatch:
        """Begins to observe an attached container, as `WatchingDriver` has it. Raises `MachineError`."""
        try:
            sweep()
            return LinkWatch(self._link_of(container))
        except OSError as error:
            raise MachineError(f"the network of {container} cannot be observed: {error.strerror}") from error

    # Planning

    def _checked(self, request: AttachRequest) -> Attachment:
        """What will be made, but for its addresses; what cannot be is refused."""
        if self._records.has(request.container):
            raise MachineError(f"container {request.container} has a network already")
        ipv6 = has_ipv6()
        held = [port for other in self._records.everybody() for port in other.published] if request.publish else []
        return self._plan(request, ports.settle(request.publish, held, ipv6=ipv6), ipv6)

    def _link_of(self, container: str) -> str:
        return PREFIX + sha256(f"{self._seed}/{container}".encode()).hexdigest()[:12]

    def _plan(self, request: AttachRequest, published: tuple[PortMapping, ...], ipv6: bool) -> Attachment:
        return Attachment(
            container=request.container,
            network=self._name,
            netns=self._records.folder / "netns" / request.container,
            interface=request.interface,
            link=self._link_of(request.container),
            ipv4="",
            ipv6="" if ipv6 else None,
            gateway4=GATEWAY4,
            gateway6=GATEWAY6 if ipv6 else None,
            mtu=mtu(),
            published=published,
            names=request.names,
        )

    def _unread(self, container: str) -> Attachment:
        """What can be told of a container whose record another version wrote: all but its ports."""
        plan = self._plan(AttachRequest(container), (), ipv6=False)
        return replace(plan, ipv4="0.0.0.0")  # noqa: S104 - nobody's

    # Making

    def _prepare(self, *, ipv6: bool) -> None:
        changed = switch_on_forwarding(ipv6=ipv6)
        if changed:
            self._records.remember_settings(changed)
        table.install(self._everything)

    def _restore(self) -> None:
        """Puts the table back where somebody flushed it and there are links for it."""
        if not table.stands() and _links():
            table.install(self._everything)

    def _everything(self) -> list[Element]:
        """What belongs into the table for all containers of this host: each link names the folder with its record."""
        found = {link.name: link for link in _links()}
        folders = {str(self._records.folder), *(link.alias for link in found.values() if link.alias)}
        elements = [network_element(link.group) for link in found.values()]
        for attachment in (attachment for folder in sorted(folders) for attachment in attachments_in(Path(folder))):
            if attachment.link in found:
                elements += elements_of(attachment)
        return elements

    def _make(self, attachment: Attachment, place: HostNetwork) -> Attachment:
        self._records.write(attachment)
        try:
            veth.connect(attachment, place)
            self._publish(attachment)
        except BaseException as error:
            self._unmake(attachment, insist=True)
            if isinstance(error, OSError):
                raise MachineError(f"the network of {attachment.container}: {error.strerror}") from error
            raise
        return attachment

    def _publish(self, attachment: Attachment) -> None:
        """Publishes the ports, of which one that another has is refused, and lets the network speak to itself."""
        taken: list[Element] = []
        for published in attachment.published:
            elements = port_elements(attachment, published)
            try:
                nfnetlink.add(table.NAME, elements, new=True)
            except NetlinkError as error:
                if error.errno != errno.EEXIST:
                    raise
                nfnetlink.delete(table.NAME, taken)
                raise ports.refused(published, error) from None
            taken += elements
        nfnetlink.add(table.NAME, [network_element(self._group)])
        _forget_flows(attachment)

    def _unmake(self, attachment: Attachment, *, insist: bool) -> None:
        """Takes everything down, with the last container what its network has as well; what is not there is fine."""
        nfnetlink.delete(table.NAME, [item for item in elements_of(attachment) if nfnetlink.holds(table.NAME, item)])
        if self._records.containers() == [attachment.container]:
            nfnetlink.delete(table.NAME, [network_element(self._group)])
        _forget_flows(attachment)
        veth.disconnect(attachment, insist=insist)
        self._records.forget(attachment.container)


def _links() -> list[rtnetlink.NetworkLink]:
    with Netlink() as here:
        return rtnetlink.named(here, PREFIX)


def _forget_flows(attachment: Attachment) -> None:
    ports = {published.host_port for published in attachment.published if published.protocol == "udp"}
    if ports:
        conntrack.forget_udp(ports)


def _somewhere(plan: Attachment, subnet4: IPv4Network, subnet6: IPv6Network) -> Attachment:
    """The same with an address, chosen by chance: the kernel says whether it is free."""
    number = int.from_bytes(os.urandom(4), "big") % (subnet4.num_addresses - 3) + 2
    return replace(plan, ipv4=str(subnet4[number]), ipv6=None if plan.ipv6 is None else str(subnet6[number]))
