"""The network of a build's step: none, the host's, or one of its own, in which everything that it contacts is seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from lading.runtime.containers import networks
from lading.runtime.lifecycle.step_process import SandboxProcess
from lading.runtime.spec import etc_files
from lading.store.errors import MachineError
from lading.store.fastclass import dataclass, replace
from lading.verify.observations.contacts import NONE, Contact, Contacts, unobserved

if TYPE_CHECKING:
    from lading.networking.enclosed.enclosure import Enclosure
    from lading.networking.enclosed.gateway import Gateway
    from lading.networking.observation import TrafficWatch

ENCLOSED: Final = "enclosed"
"""The file in a sandbox's folder that its own network namespace is bound to."""
_HOST: Final = "the step shared the host's network"
_INSECURE: Final = "the step was allowed all that its builder may"
_BLIND: Final = "the driver of the network cannot tell"


@dataclass(frozen=True, slots=True)
class StepNetwork:
    """Where a step is in the network: ``host``, ``new`` or the path of a namespace; `blind` says why it is not seen."""

    netns: str
    watch: TrafficWatch | None = None
    blind: str = ""
    enclosure: Enclosure | None = None

    def contacts(self) -> Contacts:
        """What the step contacted, once it has ended; where it was enclosed, what it tried to."""
        if self.blind:
            return unobserved(self.blind)
        told = self.watch.end if self.watch else self.enclosure.blocked if self.enclosure else None
        if told is None:
            return NONE
        seen = told()
        if seen.broken:
            return unobserved(seen.broken)
        found = (Contact(one.protocol, one.address, one.port, one.names) for one in seen.destinations)
        return Contacts("cut" if seen.cut else "observed", tuple(found))

    def close(self) -> None:
        """Ends what answered to the step."""
        if self.enclosure:
            self.enclosure.close()


def resolv_conf(step: SandboxProcess, *, driven: bool) -> str:
    """Who answers questions for names; `driven` is whether there is a driver for its network."""
    if step.network == "default" and step.gateway is not None:
        from lading.networking.enclosed.enclosure import NAME_SERVER  # noqa: PLC0415 - where something is recorded

        return f"nameserver {NAME_SERVER}\n"
    return etc_files.resolv_conf(shared=step.network == "host" or (step.network == "default" and not driven))


def join(driver: networks.Drivers | None, place: tuple[str, Path, Path], step: SandboxProcess) -> StepNetwork:
    """Gives a step the network that it asks for; `place` is its sandbox: name, bundle, the run folder."""
    network, insecure = step.network, step.insecure
    if network == "default" and step.gateway is not None:
        return replace(_enclosed(step.gateway, place[1]), blind=_INSECURE if insecure else "")
    if network == "none":
        return StepNetwork("new", blind=_INSECURE if insecure else "")
    if network == "host" or driver is None:
        return StepNetwork("host", blind=_HOST)
    netns = networks.join_sandbox(driver, *place)
    if insecure:
        return StepNetwork(netns, blind=_INSECURE)
    return _watched(driver, place[0], netns)


def _enclosed(gateway: Gateway, bundle: Path) -> StepNetwork:
    from lading.networking.enclosed.enclosure import Enclosure  # noqa: PLC0415 - where something is recorded

    try:
        made = Enclosure(bundle / ENCLOSED, gateway)
    except OSError as error:
        raise MachineError(f"no network can be recorded here: {error.strerror}") from error
    return StepNetwork(str(made.netns), enclosure=made)


def _watched(driver: networks.Drivers, name: str, netns: str) -> StepNetwork:
    from lading.networking.observation import WatchingDriver  # noqa: PLC0415 - only where there is a network

    made = driver()
    if not isinstance(made, WatchingDriver):
        return StepNetwork(netns, blind=_BLIND)
    try:
        return StepNetwork(netns, made.watch(name))
    except MachineError as error:
        return StepNetwork(netns, blind=error.message)
