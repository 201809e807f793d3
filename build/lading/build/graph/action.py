"""A step with all that it depends on, what it made, and where that is found again.

An action is a function of immutable inputs: of one key comes one result, whoever executes it and wherever that is
kept. So a result may be taken from any `ActionCache` that is believed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from lading.build.graph.steps.network_recording import NetworkUse
from lading.store.fastclass import dataclass, replace
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.json import Fields, canonical, parse
from lading.verify.documents.statements import ResourceDescriptor
from lading.verify.observations.contacts import Contacts
from lading.verify.observations.exchanges import StepTape

_LIMIT: Final = 64 * 1024 * 1024


def key_of(value: Mapping[str, object]) -> str:
    """BLAKE3 of a value's canonical JSON, in hexadecimal."""
    return _blake3(canonical(value))


def _blake3(data: bytes) -> str:
    from blake3 import blake3  # noqa: PLC0415

    return blake3(data).hexdigest()


@dataclass(frozen=True, slots=True)
class ActionLayer:
    """What an action made, rendered: the root of its tree, the blob, and the uncompressed archive's digest.

    `snapshot` is the tree unpacked on this machine, None where it is not.
    """

    tree: Digest
    descriptor: Descriptor
    diff_id: Digest
    snapshot: str | None = None


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What an action made: its layer (None: it changed nothing), and the link statement about it.

    `envelope` is the signed link, None until a build that completes signs it. `used` is what a RUN did with its
    network, as its link says, and known here where it has none.
    """

    layer: ActionLayer | None
    statement: bytes = b""
    envelope: bytes | None = None
    used: NetworkUse | None = None

    @property
    def answers(self) -> frozenset[Digest]:
        """What was recorded of the web for it: an image that was recorded holds it, and without one it goes."""
        tape = self.used.tape if self.used else None
        return frozenset(one.digest for one in tape.exchanges) if tape else frozenset()

    def raw(self) -> bytes:
        """As a cache holds it: all that is true on every machine."""
        layer = self.layer
        value: dict[str, object] = {"statement": self.statement.decode()}
        if layer:
            value["layer"] = {
                "tree": str(layer.tree),
                "descriptor": layer.descriptor.json(),
                "diffId": str(layer.diff_id),
            }
        if self.envelope:
            value["envelope"] = self.envelope.decode()
        if self.used:
            value["contacts"] = self.used.contacts.value()
        if self.used and self.used.tape:
            value["tape"] = self.used.tape.value()
        return canonical(value)

    @classmethod
    def parse(cls, raw: bytes) -> ActionResult:
        """Raises `DocumentError`."""
        fields = Fields(parse(raw, "cache row", limit=_LIMIT), "cache row")
        held = fields.optional_fields("layer")
        layer = None
        if held:
            layer = ActionLayer(
                Digest.parse(held.text("tree")),
                Descriptor.parse(held.any("descriptor"), "cache row: descriptor"),
                Digest.parse(held.text("diffId")),
            )
        envelope = fields.optional_text("envelope")
        statement = fields.text("statement").encode()
        return cls(layer, statement, envelope.encode() if envelope else None, _used(fields))

    def unpacked_as(self, snapshot: str | None) -> ActionResult:
        """With the name that its tree has on this machine."""
        return replace(self, layer=replace(self.layer, snapshot=snapshot)) if self.layer else self


def _used(fields: Fields) -> NetworkUse | None:
    if "contacts" not in fields:
        return None
    tape = StepTape.parse(fields.any("tape"), "cache row: tape") if "tape" in fields else None
    return NetworkUse(Contacts.parse(fields.any("contacts"), "cache row: contacts"), tape)


@dataclass(frozen=True, slots=True)
class Action:
    """What a step is given, and the making of its result from that.

    `inputs` is canonical JSON of everything that the result depends on; `materials` is what the link says of it.
    `execute` does it once, whatever any cache has. `files` are, by path, those of the context among the inputs, each
    in words of which the last is about its content.
    """

    inputs: bytes
    materials: tuple[ResourceDescriptor, ...]
    execute: Callable[[], ActionResult]
    files: Callable[[], Mapping[str, str]] = dict

    @property
    def key(self) -> str:
        """What the result is found by."""
        return _blake3(self.inputs)


class ActionCache(Protocol):
    """Results by the keys of their actions. Safe to be used from several threads."""

    def find(self, key: str) -> ActionResult | None:
        """The result of the action `key`; None where there is none whose layer is here as it was made."""
        ...

    def keep(self, key: str, result: ActionResult) -> None:
        """Keeps the result of the action `key`, in the place of what was there."""
        ...
