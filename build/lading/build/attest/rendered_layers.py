"""The layers of an image as they were asked for: steps have theirs in one form, whatever time and compression it is."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Final

from lading.build.graph.action import ActionLayer
from lading.build.graph.request import STEPS, Rendering
from lading.build.graph.solve_state import SolveState
from lading.build.graph.steps.chain import Chain
from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.json import Fields
from lading.store.store import Store

KIND: Final = "rendering"
"""Of the rows in the index that say what a tree was rendered as."""


@dataclass(frozen=True, slots=True)
class LayerRenderer:
    """Renders the layers of one image, each once for every tree, epoch and compression."""

    store: Store
    solved: SolveState
    rendering: Rendering

    def render(self, chain: Chain) -> None:
        """Notes in `solved` what the layers of the steps of `chain` are rendered as."""
        for step in chain.steps:
            layer = self.solved.layer(step)
            if layer is not None:
                self.solved.rendered[step] = self._rendered(layer)

    def _rendered(self, layer: ActionLayer) -> tuple[Descriptor, Digest]:
        if self.rendering == STEPS:
            return layer.descriptor, layer.diff_id
        key = f"{layer.tree} {self.rendering.epoch} {self.rendering.compression}"
        held = self._held(key)
        if held is None:
            held = self._write(layer)
            self._keep(key, *held)
        return held

    def _held(self, key: str) -> tuple[Descriptor, Digest] | None:
        raw = self.store.index.recall(KIND, key)
        with suppress(ValueError, DocumentError):
            fields = Fields(json.loads(raw or b""), "cache row")
            descriptor = Descriptor.parse(fields.any("descriptor"), "cache row: descriptor")
            if self.store.seals.holds(descriptor.digest):
                return descriptor, Digest.parse(fields.text("diffId"))
        return None

    def _write(self, layer: ActionLayer) -> tuple[Descriptor, Digest]:
        from lading.store.exchange.rewritten_layers import rewrite_layer  # noqa: PLC0415 - most calls name no time

        wanted, store = self.rendering, self.store
        found, diff_id = rewrite_layer(
            store.blobs,
            layer.descriptor,
            layer.diff_id,
            epoch=wanted.epoch,
            compression=wanted.compression,
            limits=store.limits,
        )
        store.snapshots.diff_ids.remember(found, diff_id)
        return found, diff_id

    def _keep(self, key: str, descriptor: Descriptor, diff_id: Digest) -> None:
        index = self.store.index
        with index.transaction():
            index.remember(KIND, key, json.dumps({"descriptor": descriptor.json(), "diffId": str(diff_id)}).encode())
            index.run("UPDATE cache SET blob = ? WHERE kind = ? AND key = ?", (str(descriptor.digest), KIND, key))
