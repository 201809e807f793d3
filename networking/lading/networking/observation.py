"""What somebody contacted, and the Protocol of drivers that can tell."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from lading.networking.driver import Driver
from lading.store.fastclass import dataclass


@dataclass(frozen=True, slots=True)
class Destination:
    """An address that packets were sent to; `port` is 0 where the protocol has none.

    `names` are those for which a name server's answer gave this address: its word, and no more than that.
    """

    protocol: str
    address: str
    port: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Observation:
    """All that was contacted, in the order of `Destination`'s members; with `cut` there was more.

    `broken` says why it cannot be told; "" where it can.
    """

    destinations: tuple[Destination, ...] = ()
    cut: bool = False
    broken: str = ""


class TrafficWatch(Protocol):
    """An attached container under observation, since before its first process."""

    def end(self) -> Observation:
        """What was contacted until now; nothing is observed any more. To be called once, before it is detached."""
        ...


@runtime_checkable
class WatchingDriver(Driver, Protocol):
    """A driver that can tell what a container contacts, however it does that, packets of its own making included."""

    def watch(self, container: str) -> TrafficWatch:
        """Begins to observe an attached container, which nobody can connect to from then on."""
        ...
