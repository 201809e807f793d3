"""The images of a build in the store, attested: one for each platform, and of several their signed index."""

from __future__ import annotations

from collections.abc import Sequence

from lading.build.attest.attestations import AttestationWriter
from lading.build.attest.dockerfile_attester import DockerfileAttester, DockerfileFacts
from lading.build.attest.image_index import assemble_index
from lading.build.attest.image_manifest import assemble
from lading.build.attest.rendered_layers import LayerRenderer
from lading.build.graph.action import ActionCache
from lading.build.graph.graph import Graph
from lading.build.graph.request import BuildEnvironment, BuildRequest, Rendering
from lading.build.graph.solve_state import SolveState
from lading.store.fastclass import dataclass, replace
from lading.store.oci.descriptors import Descriptor, Platform


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image or an index, what attests it, and whether that is of an earlier build."""

    descriptor: Descriptor
    attestations: tuple[Descriptor, ...]
    reused: bool


@dataclass(frozen=True, slots=True)
class ImageWriter:
    """Writes what one call asks for, of graphs that are solved; `begun` is when that began, in seconds since 1970."""

    request: BuildRequest
    environment: BuildEnvironment
    cache: ActionCache
    solved: SolveState
    facts: DockerfileFacts
    begun: float

    def image(self, graph: Graph, platform: Platform) -> BuiltImage:
        """The image of one graph, its platform in the descriptor."""
        store = self.environment.store
        rendering = Rendering(self.facts.epoch, self.request.compression)
        LayerRenderer(store, self.solved, rendering).render(graph.chain)
        image = assemble(graph, self.solved, self.facts.epoch, store, self.request.annotations)
        attester = DockerfileAttester(
            self.request, self.environment, self.cache, graph, self.solved, self.facts, platform
        )
        return BuiltImage(replace(image, platform=platform), *attester.attest(image, self.begun))

    def top(self, images: Sequence[BuiltImage]) -> BuiltImage:
        """The only image itself, else the index of all."""
        if len(images) == 1:
            return replace(images[0], descriptor=replace(images[0].descriptor, platform=None))
        store, noted = self.environment.store, self.request.index_annotations
        index = assemble_index([image.descriptor for image in images], store, noted)
        signed, reused = AttestationWriter(self.environment, self.cache, index, self.request.names).sign()
        attestations = (*signed, *(one for image in images for one in image.attestations))
        return BuiltImage(index, attestations, reused and all(image.reused for image in images))
