"""The network of a build's step: none, the host's, or one of its own, in which everything that it contacts is seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from lading.runtime.containers import networks
from lading.store.errors import MachineError
from lading.store.fastclass import dataclass
from lading.verify.observations.contacts import NONE, Contact, Contacts, unobserved

if TYPE_CHECKING:
    from lading.networking.observation import TrafficWatch

_HOST: Final = "the step shared the host's network"
_INSECURE: Final = "the step was allowed all that its builder may"
_BLIND: Final = "the driver of the network cannot tell"


@dataclass(frozen=True, slots=True)
class StepNetwork:
    """Where a step is in the network: ``host``, ``new`` or the path of a namespace; `blind` says why it is not seen."""

    netns: str
    watch: TrafficWatch | None = None
    blind: str = ""

    def contacts(self) -> Contacts:
        """What the step contacted, once it has ended."""
        if self.watch is None:
            return unobserved(self.blind) if self.blind else NONE
        seen = self.watch.end()
        if seen.broken:
            return unobserved(seen.broken)
        found = (Contact(one.protocol, one.address, one.port, one.names) for one in seen.destinations)
        return Contacts("cut" if seen.cut else "observed", tuple(found))


def join(
    driver: networks.Drivers | None,
    place: tuple[str, Path, Path],
    network: Literal["none", "host", "default"],
    *,
    insecure: bool,
) -> StepNetwork:
    """Gives a step the network that it asks for; `place` is its sandbox: name, bundle, the run folder."""
    if network == "none":
        return StepNetwork("new", blind=_INSECURE if insecure else "")
    if network == "host" or driver is None:
        return StepNetwork("host", blind=_HOST)
    netns = networks.join_sandbox(driver, *place)
    if insecure:
        return StepNetwork(netns, blind=_INSECURE)
    return _watched(driver, place[0], netns)


def _watched(driver: networks.Drivers, name: str, netns: str) -> StepNetwork:
    from lading.networking.observation import WatchingDriver  # noqa: PLC0415 - only where there is a network

    made = driver()
    if not isinstance(made, WatchingDriver):
        return StepNetwork(netns, blind=_BLIND)
    try:
        return StepNetwork(netns, made.watch(name))
    except MachineError as error:
        return StepNetwork(netns, blind=error.message)
