"""What attests an image built from a Dockerfile: a link for each step with a product, the DAG, the provenance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lading.build.attest.attestations import AttestationInputs, AttestationWriter
from lading.build.attest.image_manifest import timestamp
from lading.build.attest.network_artifact import recorded_network
from lading.build.attest.recorded_build import DOCKERFILE, FILES, LAYOUT, MAX_RECORDED
from lading.build.graph.action import ActionCache, ActionResult
from lading.build.graph.executor import WEAK
from lading.build.graph.graph import Graph
from lading.build.graph.request import BuildEnvironment, BuildRequest, ImageContext, NamedContext
from lading.build.graph.solve_state import SolveState
from lading.build.graph.steps.chain import WantedImage
from lading.build.graph.steps.mount_requests import SecretMount, SshMount
from lading.build.graph.steps.step_operations import RunOp
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor, Platform
from lading.store.oci.digests import Digest
from lading.verify.documents.attach import Artifact
from lading.verify.documents.dag import Dag, DagNode, Edge, LayerRef
from lading.verify.documents.links import CONTACTED, TREE, Link
from lading.verify.documents.provenance import (
    DOCKERFILE_BUILD,
    Provenance,
    arguments,
    dag_byproduct,
    network_byproduct,
)
from lading.verify.documents.statements import ResourceDescriptor, Statement
from lading.verify.observations.contacts import Contacts, together, unobserved
from lading.verify.observations.exchanges import NetworkTape

_UNKNOWN: Final = unobserved("a step's record is older than its observation")


@dataclass(frozen=True, slots=True)
class DockerfileFacts:
    """What a provenance says of a build beyond its graph.

    The Dockerfile's name and text, the epoch, the encoder, and the front end that is asked for.
    """

    dockerfile: str
    text: bytes
    epoch: int
    encoder: str
    syntax: str | None = None


@dataclass(frozen=True, slots=True)
class DockerfileAttester:
    """Attests the image of one solved graph, for `platform`."""

    request: BuildRequest
    environment: BuildEnvironment
    cache: ActionCache
    graph: Graph
    solved: SolveState
    facts: DockerfileFacts
    platform: Platform

    def attest(self, image: Descriptor, begun: float) -> tuple[tuple[Descriptor, ...], bool]:
        """The attestations of `image`, and whether they are those of an earlier build. None without a key."""
        dag, steps = self._dag()
        results = [(found.key, found.result) for found in (self.solved.steps[step] for step in steps)]
        recorded = self._recorded(image)
        named = (network_byproduct(recorded.descriptor.digest),) if recorded else ()
        attached = (recorded,) if recorded else ()
        inputs = AttestationInputs(dag, results, lambda dag: self._provenance(dag, begun, named), attached)
        return AttestationWriter(self.environment, self.cache, image, self.request.names).attest(inputs)

    def _dag(self) -> tuple[Dag, list[int]]:
        """The document, and the steps whose links its numbers mean."""
        nodes: list[DagNode] = []
        places: dict[int, int] = {}
        steps: list[int] = []
        edges: list[Edge] = []
        for line in self.graph.lines:
            layer = self.solved.layer(line.step) if line.step is not None else None
            inputs = self.solved.steps[line.step].materials if line.step is not None else self._image(line.image)
            if line.step is not None:
                edges += self._edges(line.step, places, len(nodes))
                places[line.step] = len(nodes)
            nodes.append(
                DagNode(
                    step=line.text,
                    platform=str(line.platform),
                    inputs=inputs,
                    tree=layer.tree if layer else None,
                    layer=self._layer(line.step) if line.step in self.graph.chain.steps else None,
                    link=len(steps) if layer else None,
                    stage=line.stage,
                    line=line.place.line,
                    emulated=line.step is not None and _emulated(self.solved.steps[line.step].result),
                )
            )
            if layer and line.step is not None:
                steps.append(line.step)
        return Dag(tuple(nodes), tuple(edges)), steps

    def _layer(self, step: int | None) -> LayerRef | None:
        found = None if step is None else self.solved.rendered.get(step)
        return None if found is None else LayerRef(found[0].digest, found[1])

    def _image(self, name: WantedImage | None) -> tuple[ResourceDescriptor, ...]:
        if name is None:
            return ()
        image = self.solved.images[name]
        return (ResourceDescriptor.of(image.manifest.descriptor.digest, f"image:{image.reference}"),)

    def _edges(self, number: int, places: Mapping[int, int], target: int) -> list[Edge]:
        step = self.graph.steps[number]
        found = [Edge(places[step.ground.steps[-1]], target, TREE)] if step.ground.steps else []
        return found + [Edge(places[chain.steps[-1]], target, name) for name, chain in step.taken if chain.steps]

    def _recorded(self, image: Descriptor) -> Artifact | None:
        """What the steps asked of the web, where that was recorded."""
        if self.request.recording is None:
            return None
        used = [self.solved.steps[step.number].result.used for step in self.graph.needed]
        return recorded_network(image, NetworkTape(tuple(one.tape for one in used if one and one.tape)))

    def _provenance(self, artifact: Digest | None, begun: float, named: tuple[ResourceDescriptor, ...]) -> Provenance:
        request = self.request
        finished = self.environment.clock() if artifact else 0
        return Provenance(
            build_type=DOCKERFILE_BUILD,
            builder_id=request.builder_id,
            external=self._external(),
            internal=self._internal(),
            dependencies=self._dependencies(),
            builder_version={"lading": self.environment.version},
            started=timestamp(begun) if artifact else None,
            finished=timestamp(finished) if artifact else None,
            byproducts=(*((dag_byproduct(artifact),) if artifact else ()), *named),
        )

    def _internal(self) -> dict[str, object]:
        isolation = self.environment.executor.isolation
        internal: dict[str, object] = {
            "compression": self.request.compression,
            "encoder": self.facts.encoder,
            "epoch": self.facts.epoch,
            "isolation": isolation,
        }
        if any(isolation in WEAK or run.security == "insecure" for run in self._runs()):
            internal["keyExposed"] = True
        if self._runs():
            internal[CONTACTED] = self._contacts().value()
        return internal

    def _contacts(self) -> Contacts:
        """Of all RUNs together. One from a cache that an earlier version filled may say nothing of it."""
        runs = [step.number for step in self.graph.needed if isinstance(step.operation, RunOp)]
        used = [self.solved.steps[number].result.used for number in runs]
        return together(one.contacts if one else _UNKNOWN for one in used)

    def _runs(self) -> list[RunOp]:
        return [step.operation for step in self.graph.needed if isinstance(step.operation, RunOp)]

    def _lent(self) -> dict[str, object]:
        """The ids of what the call gave and the steps name."""
        given = self.environment.secrets
        mounts = [mount for run in self._runs() for mount in run.mounts]
        return {
            "secrets": sorted({one.id for one in mounts if isinstance(one, SecretMount)} & given.values.keys()),
            "ssh": sorted({one.id for one in mounts if isinstance(one, SshMount)} & given.agents.keys()),
        }

    def _external(self) -> dict[str, object]:
        request = self.request
        shown = self.graph.shown
        values = {
            name: value if request.show_arguments or shown.get(name) == value else None
            for name, value in sorted(request.arguments.items())
        }
        external: dict[str, object | None] = {
            "dockerfile": {"path": self.facts.dockerfile, "digest": {"sha256": Digest.of(self.facts.text).hex}},
            "buildArgs": arguments(values) or None,
            "syntax": self.facts.syntax,
            "target": request.target,
            "labels": dict(request.labels) or None,
            "annotations": dict(request.annotations) or None,
            "platform": str(self.platform),
            "epoch": request.epoch,
            "contextModes": "normal" if request.normal_modes else None,
            "contextOwners": "kept" if request.owners else None,
            "contexts": {name: self._named(one) for name, one in request.contexts.items()} or None,
            "network": request.network if request.network != "default" else None,
            "networkRecord": True if request.recording else None,
            "allow": sorted(request.allow) or None,
            **request.settings.value(),
            **{name: ids or None for name, ids in self._lent().items()},
        }
        return {name: value for name, value in external.items() if value is not None}

    def _named(self, context: NamedContext) -> str:
        """What a name means: an image by its name, or of a layout that was used by its digest; else files."""
        if not isinstance(context, ImageContext):
            return FILES
        used = (image.reference for wanted, image in self.solved.images.items() if wanted.name == context.image)
        return next(used, context.record) if context.record == LAYOUT else context.record

    def _dependencies(self) -> tuple[ResourceDescriptor, ...]:
        bases = tuple(self.solved.images[name].record().resource() for name in self.graph.images)
        steps = [step.number for step in self.graph.needed]
        root = self.solved.context(steps)
        context = (ResourceDescriptor.of(root, "context"),) if root else ()
        fetched = self.solved.fetched_for(steps)
        revision = (self.request.revision.resource(),) if self.request.revision else ()
        return (*bases, *context, *fetched, self._dockerfile(), *revision)

    def _dockerfile(self) -> ResourceDescriptor:
        """With its text, so that the image can be built again."""
        text = self.facts.text
        held = text if len(text) <= MAX_RECORDED else None
        return ResourceDescriptor(DOCKERFILE, {"sha256": Digest.of(text).hex}, content=held)


def _emulated(result: ActionResult) -> bool:
    """Whether the link of a step says that its command was emulated, whenever and wherever that was."""
    if b'"emulated":true' not in result.statement:
        return False
    return Link.parse(Statement.parse(result.statement)).byproducts.get("emulated") is True
