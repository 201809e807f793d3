"""How a build treats what its steps ask of the web: recorded, or answered from a recording."""

from __future__ import annotations

from lading.store.content.blobs import Source
from lading.store.fastclass import dataclass
from lading.store.oci.digests import Digest
from lading.verify.documents.links import RECORDED
from lading.verify.observations.contacts import Contacts
from lading.verify.observations.exchanges import NetworkTape, StepTape


@dataclass(frozen=True, slots=True)
class Replay:
    """A recording, and where the bodies of its answers are."""

    tape: NetworkTape
    bodies: Source


@dataclass(frozen=True, slots=True)
class NetworkRecording:
    """Steps with the default network reach the web through a recorder alone, or with a `replay` only that."""

    replay: Replay | None = None

    @property
    def word(self) -> str:
        """What is in the key of such a step in the place of its network."""
        return f"replayed {Digest.of(self.replay.tape.raw())}" if self.replay else RECORDED


@dataclass(frozen=True, slots=True)
class NetworkUse:
    """What a RUN did with its network: whom it contacted, and where it was recorded all that it asked of the web."""

    contacts: Contacts
    tape: StepTape | None = None
