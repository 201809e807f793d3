"""A second network driver: each container has a link of its own on the wire of a link of the host (macvlan).

It publishes no ports: a container is a neighbour among the others of that wire. What it has is on record before the
kernel is touched, and until the kernel is clean again.
"""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Generator
from contextlib import contextmanager
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Final

from lading.networking.driver import Attachment, AttachRequest
from lading.networking.kernel import namespaces
from lading.store.errors import InputError, MachineError
from lading.store.system.locks import locked, open_lock
from lading.store.system.private_folders import private_folder

_MTU: Final = 1500


class MacvlanDriver:
    """A `Driver`. Addresses are those of the range of `gateway`, an address on the wire, but for the `first` ones."""

    def __init__(self, state: Path, parent: str, gateway: str, first: int) -> None:
        self._state = state
        self._parent = parent
        self._gateway = IPv4Interface(gateway)
        self._first = first

    def attach(self, request: AttachRequest) -> Attachment:
        """Makes the container's network namespace and its link; all or nothing."""
        with self._gate():
            attachment = self._checked(request)
            self._file(request.container).write_bytes(attachment.json())
            try:
                namespaces.create(attachment.netns, lambda: None)
                self._connect(attachment)
            except BaseException:
                self._remove(request.container)
                raise
            return attachment

    def detach(self, container: str) -> None:
        """Removes the namespace, with which the link goes; one that is not attached is fine."""
        with self._gate():
            self._remove(container)

    def recover(self, live: Collection[str]) -> tuple[str, ...]:
        """Detaches every container not among `live`, and names those it swept."""
        with self._gate():
            gone = tuple(item.container for item in self.attachments() if item.container not in live)
            for container in gone:
                self._remove(container)
            return gone

    def attachments(self) -> tuple[Attachment, ...]:
        """The containers attached now, by id."""
        return tuple(Attachment.parse(file.read_bytes()) for file in sorted(self._state.glob("*.json")))

    def _checked(self, request: AttachRequest) -> Attachment:
        """What will be made; refuses before anything is."""
        if request.publish:
            raise InputError("a macvlan network publishes no ports: its containers have addresses of their own there")
        if self._file(request.container).exists():
            raise MachineError(f"container {request.container} has a network already")
        taken = {item.ipv4 for item in self.attachments()}
        free = [str(address) for address in self._gateway.network.hosts()][self._first :]
        address = next((address for address in free if address not in taken), None)
        if address is None:
            raise MachineError("the network has no free address")
        return Attachment(
            container=request.container,
            network="macvlan",
            netns=self._state / "netns" / request.container,
            interface=request.interface,
            link=self._parent,
            ipv4=address,
            ipv6=None,
            gateway4=str(self._gateway.ip),
            gateway6=None,
            mtu=_MTU,
            published=(),
            names=request.names,
        )

    def _connect(self, attachment: Attachment) -> None:
        name, netns, bits = attachment.interface, str(attachment.netns), self._gateway.network.prefixlen
        _ip(f"link add link {self._parent} name {name} mtu {_MTU} netns {netns} type macvlan mode bridge")
        for words in (
            "link set lo up",
            f"addr add {attachment.ipv4}/{bits} dev {name}",
            f"link set {name} up",
            f"route add default via {attachment.gateway4}",
        ):
            namespaces.inside(attachment.netns, lambda words=words: _ip(words))

    def _remove(self, container: str) -> None:
        namespaces.remove(self._state / "netns" / container)
        self._file(container).unlink(missing_ok=True)

    def _file(self, container: str) -> Path:
        return self._state / f"{container}.json"

    @contextmanager
    def _gate(self) -> Generator[None, None, None]:
        private_folder(self._state)
        with locked(open_lock(self._state / "lock")):
            yield


def _ip(words: str) -> None:
    done = subprocess.run(["ip", *words.split()], capture_output=True, text=True, check=False)
    if done.returncode:
        raise MachineError(f"ip {words}: {done.stderr.strip()}")
