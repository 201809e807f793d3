"""What attests an image: signed links in the DAG artifact, the provenance that names it, the signature.

The key is opened when something has to be signed, never before. Attestations are made anew only where what they
say would be different: parameters, names, signer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

from lading.build.cache import Cache, Product, key_of
from lading.build.executor import WEAK
from lading.build.graph import CopyOp, Graph, RunOp
from lading.build.image import timestamp
from lading.build.request import BuildRequest, KeySource, Tools
from lading.build.state import FROM, Solved
from lading.store.blobs import write_blob
from lading.store.descriptors import Descriptor
from lading.store.digests import Digest
from lading.store.documents import MANIFEST
from lading.verify import dag_artifact, signing
from lading.verify.attach import Artifact
from lading.verify.dag import Dag, Edge, LayerRef, Node
from lading.verify.keys import Signer
from lading.verify.links import TREE
from lading.verify.provenance import DOCKERFILE_BUILD, Provenance, arguments, dag_byproduct
from lading.verify.statements import SIGN, ResourceDescriptor, Statement, Subject


@dataclass(frozen=True, slots=True)
class Facts:
    """What a provenance says of a build beyond its graph: the Dockerfile's name and digest, epoch, encoder."""

    dockerfile: str
    dockerfile_digest: Digest
    epoch: int
    encoder: str


@dataclass(frozen=True, slots=True)
class Attester:
    """Attests the image of one solved graph."""

    request: BuildRequest
    tools: Tools
    cache: Cache
    graph: Graph
    solved: Solved
    facts: Facts

    def attest(self, image: Descriptor, begun: float) -> tuple[tuple[Descriptor, ...], bool]:
        """The attestations of `image`, and whether they are those of an earlier build. None without a key."""
        source = self.tools.key
        if source is None:
            return (), False
        key = self._key(image, source)
        with self.cache.lock(key):
            held = self._held(key)
            if held:
                return held, True
            made = self._make(image, source, begun)
            self.cache.put("image", key, json.dumps([descriptor.json() for descriptor in made]).encode())
            return made, False

    def _key(self, image: Descriptor, source: KeySource) -> str:
        provenance = self._provenance(None, 0)
        return key_of(
            {
                "image": str(image.digest),
                "names": list(self._repositories()),
                "signer": source.fingerprint,
                "provenance": provenance.predicate(),
                "dag": self._dag()[0].raw().decode(),
            }
        )

    def _held(self, key: str) -> tuple[Descriptor, ...]:
        raw = self.cache.get("image", key)
        try:
            rows = cast("list[object]", json.loads(raw)) if raw else []
        except ValueError:
            return ()
        found = tuple(Descriptor.parse(row, "cache row") for row in rows)
        blobs = self.tools.store.blobs
        here = all(blobs.size(descriptor.digest) is not None for descriptor in found)
        known = {descriptor.digest for descriptor in found}
        return found if here and known else ()

    def _make(self, image: Descriptor, source: KeySource, begun: float) -> tuple[Descriptor, ...]:
        signer = source.open()
        created = timestamp(self.tools.clock())
        dag, steps = self._dag()
        envelopes = [self._envelope(step, signer) for step in steps]
        artifact = dag_artifact.artifact(image, dag, envelopes)
        provenance = self._provenance(artifact.descriptor.digest, begun)
        subjects = self._subjects(image)
        artifacts = (
            signing.attest(image, Statement(subjects, SIGN), signer, created),
            signing.attest(image, provenance.statement(subjects), signer, created),
            artifact,
        )
        return tuple(self._store(one) for one in artifacts)

    def _store(self, artifact: Artifact) -> Descriptor:
        for blob in artifact.blobs:
            write_blob(self.tools.store.blobs, blob)
        stored = self.tools.store.put_manifest(artifact.manifest, MANIFEST)
        return replace(stored, artifact_type=artifact.artifact_type)

    def _envelope(self, step: int, signer: Signer) -> bytes:
        """The link of a step, signed now if no build before signed it."""
        product = self.solved.products[step]
        if product.envelope:
            return product.envelope
        envelope = signing.seal(Statement.parse(product.statement), signer).raw()
        signed = Product(product.layer, product.statement, envelope)
        self.cache.put("action", self.solved.keys[step], signed.raw())
        return envelope

    def _repositories(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_repository(name) for name in self.request.names))

    def _subjects(self, image: Descriptor) -> tuple[Subject, ...]:
        names = self._repositories()
        return tuple(signing.subject_of(image, name) for name in names) or (signing.subject_of(image),)

    def _dag(self) -> tuple[Dag, list[int]]:
        """The document, and the steps whose links its numbers mean."""
        nodes: list[Node] = []
        places: dict[int, int] = {}
        steps: list[int] = []
        edges: list[Edge] = []
        for line in self.graph.lines:
            layer = self.solved.products[line.step].layer if line.step is not None else None
            inputs = self.solved.materials[line.step] if line.step is not None else self._image(line.image)
            if line.step is not None:
                edges += self._edges(line.step, places, len(nodes))
                places[line.step] = len(nodes)
            shown = layer and line.step in self.graph.chain.steps
            nodes.append(
                Node(
                    step=line.text,
                    platform=str(self.tools.platform),
                    inputs=inputs,
                    tree=layer.tree if layer else None,
                    layer=LayerRef(layer.descriptor.digest, layer.diff_id) if layer and shown else None,
                    link=len(steps) if layer else None,
                    stage=line.stage,
                    line=line.place.line,
                )
            )
            if layer and line.step is not None:
                steps.append(line.step)
        return Dag(tuple(nodes), tuple(edges)), steps

    def _image(self, name: str | None) -> tuple[ResourceDescriptor, ...]:
        if name is None:
            return ()
        image = self.solved.images[name]
        return (ResourceDescriptor.of(image.manifest.descriptor.digest, f"image:{image.reference}"),)

    def _edges(self, number: int, places: Mapping[int, int], target: int) -> list[Edge]:
        step = self.graph.steps[number]
        found = [Edge(places[step.below.steps[-1]], target, TREE)] if step.below.steps else []
        operation = step.operation
        if isinstance(operation, CopyOp) and operation.origin and operation.origin.steps:
            found.append(Edge(places[operation.origin.steps[-1]], target, FROM))
        return found

    def _provenance(self, artifact: Digest | None, begun: float) -> Provenance:
        request = self.request
        finished = self.tools.clock() if artifact else 0
        return Provenance(
            build_type=DOCKERFILE_BUILD,
            builder_id=request.builder_id,
            external=self._external(),
            internal=self._internal(),
            dependencies=self._dependencies(),
            builder_version={"lading": self.tools.version},
            started=timestamp(begun) if artifact else None,
            finished=timestamp(finished) if artifact else None,
            byproducts=(dag_byproduct(artifact),) if artifact else (),
        )

    def _internal(self) -> dict[str, object]:
        isolation = self.tools.executor.isolation
        internal: dict[str, object] = {
            "compression": self.request.compression,
            "encoder": self.facts.encoder,
            "epoch": self.facts.epoch,
            "isolation": isolation,
        }
        if isolation in WEAK and any(isinstance(step.operation, RunOp) for step in self.graph.needed):
            internal["keyExposed"] = True
        return internal

    def _external(self) -> dict[str, object]:
        request = self.request
        shown = self.graph.shown
        values = {
            name: value if request.show_arguments or shown.get(name) == value else None
            for name, value in sorted(request.arguments.items())
        }
        external: dict[str, object | None] = {
            "dockerfile": {"path": self.facts.dockerfile, "digest": {"sha256": self.facts.dockerfile_digest.hex}},
            "buildArgs": arguments(values) or None,
            "target": request.target,
            "labels": dict(request.labels) or None,
            "platform": str(self.tools.platform),
            "epoch": request.epoch,
            "contextModes": "normal" if request.normal_modes else None,
        }
        return {name: value for name, value in external.items() if value is not None}

    def _dependencies(self) -> tuple[ResourceDescriptor, ...]:
        bases = tuple(self.solved.images[name].record().resource() for name in self.graph.images)
        context = self.solved.context
        return (*bases, ResourceDescriptor.of(context, "context")) if context else bases


def _repository(name: str) -> str:
    """A full reference without tag and digest."""
    name = name.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}"
