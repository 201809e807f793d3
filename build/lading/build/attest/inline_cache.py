"""Images that carry the cache entries of their own layers, so that whoever has the image's name can build on them."""

from __future__ import annotations

from collections.abc import Iterable

from lading.build.attest.attestations import AttestationWriter
from lading.build.graph.action import ActionCache, key_of
from lading.build.graph.request import BuildEnvironment
from lading.build.graph.solve_state import SolveState
from lading.build.solver.inline_entries import inline_artifact
from lading.build.solver.shared_entries import SharedEntry, sealed, tag_of, with_link
from lading.store.errors import LadingError
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.verify.keys.keys import Signer


@dataclass(frozen=True, slots=True)
class InlineCache:
    """Attaches the entries of one build to its images. Whatever is in the way of that is said, and ends no build."""

    environment: BuildEnvironment
    cache: ActionCache
    solved: SolveState

    def attach(self, image: Descriptor, steps: Iterable[int]) -> None:
        """Those of `steps`, which made the layers of `image`; once for each signer."""
        try:
            self._attach(image, tuple(steps))
        except (LadingError, OSError) as error:
            self.environment.listener.warned(f"cache inline: not written: {error}")

    def _attach(self, image: Descriptor, steps: tuple[int, ...]) -> None:
        source = self.environment.key
        if source is None:
            raise LadingError("there is no key to sign entries with")
        keys = [self.solved.steps[step].key for step in steps]
        named = key_of({"image": str(image.digest), "inline": keys, "signer": source.fingerprint})
        writer = AttestationWriter(self.environment, self.cache, image, ())
        writer.once(named, lambda: (writer.store(inline_artifact(image, self._sealed(steps, source.open()))),))

    def _sealed(self, steps: tuple[int, ...], signer: Signer) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for step in steps:
            key = self.solved.steps[step].key
            result = self.cache.find(key)
            if result is not None:
                entry = SharedEntry(with_link(result, signer), self._rendered(step))
                found[tag_of(key)] = sealed(key, entry, signer)
        return found

    def _rendered(self, step: int) -> tuple[Descriptor, Digest] | None:
        """The layer as the image has it, where steps have it otherwise."""
        layer, rendered = self.solved.layer(step), self.solved.rendered.get(step)
        return None if layer is None or rendered == (layer.descriptor, layer.diff_id) else rendered
