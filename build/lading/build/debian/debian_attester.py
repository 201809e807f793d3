"""What attests an image of packages: a link for each step, the DAG, the provenance."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from lading.build.attest.attestations import AttestationInputs, AttestationWriter
from lading.build.attest.image_manifest import timestamp
from lading.build.debian.archives.apt import Resolution
from lading.build.debian.archives.archive_names import bare
from lading.build.debian.debian_spec import DebianSpec, ImageSettings
from lading.build.graph.action import ActionCache
from lading.build.graph.graph import Graph
from lading.build.graph.request import BuildEnvironment, BuildRequest
from lading.build.graph.solve_state import SolveState
from lading.build.graph.steps.step import Step
from lading.build.graph.steps.step_operations import PackageRecord
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.verify.documents.dag import Dag, DagNode, Edge, LayerRef
from lading.verify.documents.links import TREE
from lading.verify.documents.provenance import DEBIAN_BUILD, Provenance, dag_byproduct
from lading.verify.documents.statements import ResourceDescriptor


@dataclass(frozen=True, slots=True)
class DebianFacts:
    """What a provenance says beyond the packages."""

    file: str
    digest: Digest
    suite: str
    architecture: str
    epoch: int
    encoder: str
    lock: tuple[str, Digest] | None
    """The name and digest of the lock that chose the packages."""


@dataclass(frozen=True, slots=True)
class DebianAttester:
    """Attests the image of one package set."""

    request: BuildRequest
    environment: BuildEnvironment
    cache: ActionCache
    spec: DebianSpec
    resolution: Resolution
    graph: Graph
    solved: SolveState
    facts: DebianFacts

    def attest(self, image: Descriptor, begun: float) -> tuple[tuple[Descriptor, ...], bool]:
        """The attestations, and whether they are those of an earlier build. None without a key."""
        solved = [self.solved.steps[step.number] for step in self.graph.steps]
        results = [(step.key, step.result) for step in solved]
        inputs = AttestationInputs(self._dag(), results, lambda artifact: self._provenance(artifact, begun))
        return AttestationWriter(self.environment, self.cache, image, self.request.names).attest(inputs)

    def _dag(self) -> Dag:
        """A node a step; what is derived used the trees of all others."""
        nodes = tuple(self._node(step) for step in self.graph.steps)
        last = len(nodes) - 1
        return Dag(nodes, tuple(Edge(at, last, TREE) for at in range(last)))

    def _node(self, step: Step) -> DagNode:
        layer = self.solved.layer(step.number)
        rendered = self.solved.rendered.get(step.number)
        return DagNode(
            step=step.text,
            platform=str(self.environment.platform),
            inputs=self.solved.steps[step.number].materials,
            tree=layer.tree if layer else None,
            layer=LayerRef(rendered[0].digest, rendered[1]) if rendered else None,
            link=step.number,
        )

    def _provenance(self, artifact: Digest | None, begun: float) -> Provenance:
        facts = self.facts
        return Provenance(
            build_type=DEBIAN_BUILD,
            builder_id=self.request.builder_id,
            external=self._external(),
            internal={
                "architecture": facts.architecture,
                "compression": self.request.compression,
                "datesChecked": self.resolution.dates_checked,
                "encoder": facts.encoder,
                "epoch": facts.epoch,
            },
            dependencies=tuple(self._dependencies()),
            builder_version={"lading": self.environment.version},
            started=timestamp(begun) if artifact else None,
            finished=timestamp(self.environment.clock()) if artifact else None,
            byproducts=(dag_byproduct(artifact),) if artifact else (),
        )

    def _external(self) -> dict[str, object]:
        facts, request = self.facts, self.request
        external: dict[str, object | None] = {
            "file": {"path": facts.file, "digest": {"sha256": facts.digest.hex}},
            "suite": facts.suite,
            "components": list(self.spec.components),
            "packages": list(self.spec.packages),
            "layers": "package" if self.spec.layer_per_package else "one",
            "ldSoCache": self.spec.ld_so_cache,
            "suites": dict(self.spec.suites) or None,
            "sources": self.spec.shown_sources or None,
            "essential": self.spec.essential or None,
            "status": self.spec.status if self.spec.status != "installed" else None,
            "image": _settings(self.spec.image) or None,
            "labels": dict(request.labels) or None,
            "annotations": dict(request.annotations) or None,
            "platform": str(self.environment.platform),
            "epoch": request.epoch,
        }
        return {name: value for name, value in external.items() if value is not None}

    def _dependencies(self) -> Iterator[ResourceDescriptor]:
        checked: dict[str, object] = {}
        if lock := self.facts.lock:
            yield ResourceDescriptor(name="lock", uri=lock[0], digest={lock[1].algorithm: lock[1].hex})
            checked = {"checked": "when it was locked"}
        for digest, (source, release) in self.resolution.releases.items():
            yield ResourceDescriptor(
                name=f"release:{source.suite}",
                uri=f"{bare(source.uri)}/dists/{source.suite}/InRelease",
                digest={"sha256": digest},
                annotations={
                    "date": release.date,
                    "origin": release.origin,
                    "signedBy": list(release.signers),
                    **checked,
                },
            )
        for package in self.resolution.packages:
            yield ResourceDescriptor(
                name=f"{package.name} {package.version}",
                uri=_purl(package, self.resolution),
                digest={package.digest.algorithm: package.digest.hex},
                annotations={"release": package.release},
            )
        if self.request.revision:
            yield self.request.revision.resource()


def _purl(package: PackageRecord, resolution: Resolution) -> str:
    """A package URL (purl-spec, type deb)."""
    _, release = resolution.releases[package.release]
    vendor = "ubuntu" if release.origin.lower() == "ubuntu" else "debian"
    version = quote(package.version, safe=":")
    return f"pkg:deb/{vendor}/{quote(package.name, safe='')}@{version}?arch={package.architecture}"


def _settings(image: ImageSettings) -> dict[str, object]:
    """The [image] part of the file; what it leaves out is left out."""
    values: dict[str, object] = {
        "entrypoint": list(image.entrypoint),
        "cmd": list(image.cmd),
        "env": dict(image.env),
        "user": image.user,
        "workdir": image.workdir,
        "labels": dict(image.labels),
        "expose": list(image.expose),
        "volumes": list(image.volumes),
        "stopSignal": image.stop_signal,
    }
    return {name: value for name, value in values.items() if value}
