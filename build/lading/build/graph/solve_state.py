"""What is known while a graph is solved: images resolved, results of steps, what of the context was used.

Steps are solved in several threads: each adds what it found in one go, and reads only what was there before it began.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from lading.build.context.taken_files import TakenFiles, together
from lading.build.graph.action import ActionLayer, ActionResult
from lading.build.graph.halt import Halt
from lading.build.graph.request import BaseImage, StepReport
from lading.build.graph.steps.chain import Chain, WantedImage
from lading.store.fastclass import dataclass, field
from lading.store.index import Index
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.verify.documents.links import TREE, Link
from lading.verify.documents.statements import ResourceDescriptor, Statement


@dataclass(frozen=True, slots=True)
class SolvedStep:
    """A step that is solved: the key of its action, what its link says it was given, what it made, how it went."""

    key: str
    materials: tuple[ResourceDescriptor, ...]
    result: ActionResult
    report: StepReport


@dataclass(slots=True)
class SolveState:
    """Everything known so far, and whether it goes on. `used` are the files of the context that each step took."""

    images: dict[WantedImage, BaseImage] = field(default_factory=dict[WantedImage, BaseImage])
    steps: dict[int, SolvedStep] = field(default_factory=dict[int, SolvedStep])
    used: dict[int, tuple[TakenFiles, ...]] = field(default_factory=dict[int, tuple[TakenFiles, ...]])
    contexts: dict[tuple[int, ...], Digest | None] = field(default_factory=dict[tuple[int, ...], "Digest | None"])
    halt: Halt = field(default_factory=Halt)
    fetched: dict[str, ResourceDescriptor] = field(default_factory=dict[str, ResourceDescriptor])
    """What was fetched from elsewhere, by name."""
    rendered: dict[int, tuple[Descriptor, Digest]] = field(default_factory=dict[int, "tuple[Descriptor, Digest]"])
    """The layers of steps as the image has them, with their diff IDs."""
    brought: tuple[ResourceDescriptor, ...] = ()
    """What was fetched for the contexts themselves."""

    def layer(self, step: int) -> ActionLayer | None:
        """The layer that a step made, None where it changed nothing."""
        return self.steps[step].result.layer

    def layers(self, chain: Chain) -> list[ActionLayer]:
        """The layers that the steps of `chain` made, bottom up."""
        return [layer for step in chain.steps if (layer := self.layer(step))]

    def stack(self, chain: Chain) -> list[tuple[Descriptor, Digest]]:
        """All layers of `chain` with their diff IDs, those of its image first."""
        image = self.images[chain.image] if chain.image is not None else None
        below = list(zip(image.manifest.layers, image.config.diff_ids, strict=True)) if image else []
        return below + [(layer.descriptor, layer.diff_id) for layer in self.layers(chain)]

    def image_stack(self, chain: Chain) -> list[tuple[Descriptor, Digest]]:
        """As `stack`, once the layers are `rendered` for the image."""
        base = self.stack(Chain(chain.image))
        return base + [self.rendered[step] for step in chain.steps if step in self.rendered]

    def identity(self, chain: Chain) -> dict[str, object]:
        """What `chain` is in the key of an action: its image's manifest and its trees."""
        image = self.images[chain.image] if chain.image is not None else None
        return {
            "image": str(image.manifest.descriptor.digest) if image else None,
            "trees": [str(layer.tree) for layer in self.layers(chain)],
        }

    def resources(self, chain: Chain, name: str = TREE) -> tuple[ResourceDescriptor, ...]:
        """`chain` as materials of a link: its image, then its trees bottom up under `name`."""
        image = self.images[chain.image] if chain.image is not None else None
        below = [ResourceDescriptor.of(image.manifest.descriptor.digest, f"image:{image.reference}")] if image else []
        return (*below, *(ResourceDescriptor.of(layer.tree, name) for layer in self.layers(chain)))

    @property
    def reports(self) -> tuple[StepReport, ...]:
        """How the steps went, in their order."""
        return tuple(self.steps[number].report for number in sorted(self.steps))

    @property
    def cached(self) -> list[str]:
        """The keys of the actions that were not executed."""
        return [step.key for _, step in sorted(self.steps.items()) if step.report.cached]

    def note(self, step: int, *files: TakenFiles) -> None:
        """Remembers files of the context as used by a step, beside those that it is known to use."""
        self.used[step] = (*self.used.get(step, ()), *files)

    def settle(self, index: Index, steps: Iterable[int]) -> None:
        """Finds out what `steps` used of the context together, while that is open."""
        key = tuple(steps)
        found = together((files for step in key for files in self.used.get(step, ())), index)
        self.contexts[key] = None if found is None else found.root

    def context(self, steps: Iterable[int]) -> Digest | None:
        """The root of the tree of all files of the context that `steps` used, None where they used none."""
        return self.contexts[tuple(steps)]

    def fetched_for(self, steps: Collection[int]) -> tuple[ResourceDescriptor, ...]:
        """What was fetched from elsewhere for the context and for `steps`, by name."""
        names = {material.name or "" for step in steps for material in self.steps[step].materials}
        found = {name: one for name, one in self.fetched.items() if name in names}
        found.update((one.name or "", one) for step in steps for one in _commits(self.steps[step].result))
        found.update((one.name or "", one) for one in self.brought)
        return tuple(found[name] for name in sorted(found))


def _commits(result: ActionResult) -> tuple[ResourceDescriptor, ...]:
    """The commits that a step's link names, its repositories' submodules among them."""
    if b'"gitCommit"' not in result.statement:
        return ()
    materials = Link.parse(Statement.parse(result.statement)).materials
    return tuple(one for one in materials if "gitCommit" in one.digest)
