"""Where the files of an image come from: layer by layer to the step of the record, through the base images below."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

from lading.store.errors import LadingError
from lading.store.fastclass import dataclass
from lading.store.oci.documents import Manifest
from lading.verify.documents.links import CONTEXT, NETWORK_USED
from lading.verify.documents.provenance import DEBIAN_BUILD, Provenance
from lading.verify.documents.statements import PROVENANCE, ResourceDescriptor

if TYPE_CHECKING:
    from lading.host.host import Host
    from lading.host.trust.attached_evidence import AttachedDag
    from lading.inventory.packages.package import Package
    from lading.store.oci.digests import Digest
    from lading.verify.documents.bases import Base
    from lading.verify.documents.dag import DagNode
    from lading.verify.documents.links import Link

SourceKind = Literal["signed", "pinned", "recorded", "executed", "unknown"]
"""``signed``: in an archive that a key of its distribution signed, or of a base that the policy let in by key.
``pinned``: made of nothing but inputs on record by digest, such as the packages of a lock. ``recorded``: of such, and
of answers of the web that are on record by digest. ``executed``: written by a command that could reach more than
these. ``unknown``: no record speaks of its layer."""
_WEAKEST: Final[tuple[SourceKind, ...]] = ("unknown", "executed", "recorded", "pinned", "signed")
TRACED: Final[tuple[SourceKind, ...]] = ("signed", "pinned", "recorded")
"""Those of which everything is on record."""


@dataclass(frozen=True, slots=True)
class FileSource:
    """What is known of one file: the image of the chain of bases whose step wrote it, and that step.

    `archive` and `release` are the .deb and the signed list that it chains to. `trusted` says whether the policy
    trusts the record; of a base that is not here `base` is all that is known. `inputs` are what the step was given,
    each with the step that made it, "" for what comes from outside.
    """

    source: SourceKind
    image: str
    trusted: bool = False
    step: str = ""
    stage: str | None = None
    line: int | None = None
    inputs: tuple[tuple[ResourceDescriptor, str], ...] = ()
    revision: ResourceDescriptor | None = None
    base: Base | None = None
    package: Package | None = None
    archive: ResourceDescriptor | None = None
    release: ResourceDescriptor | None = None


class Tracer:
    """The record of one image: of its own steps, and below them of its base image where that is here."""

    def __init__(self, host: Host, image: str, diff_ids: tuple[Digest, ...]) -> None:
        self._host = host
        self._image = image
        self._diff_ids = diff_ids
        self._attached = host.attached(image)
        found = [
            (bool(item.trusted_by), parsed.finished or "", at, parsed)
            for at, item in enumerate(self._attached.decision.candidates)
            if item.statement
            and item.statement.predicate_type == PROVENANCE
            and (parsed := Provenance.parse(item.statement))
        ]
        best = max(found, default=None)
        self._trusted = best is not None and best[0]
        self._provenance: Provenance | None = best[3] if best else None

    def file(self, layer: int, package: Package | None) -> FileSource:
        """What is known of a file of a layer, counted from 0, that belongs to `package`."""
        diff_id = self._diff_ids[layer]
        if diff_id in self._nodes:
            return self._own(self._nodes[diff_id], package)
        below, base = self._below
        if below is not None and layer < len(below._diff_ids):
            return below.file(layer, package)
        if base is not None:
            known: SourceKind = "signed" if base.status == "verified" else "pinned"
            return FileSource(known, base.reference, self._trusted, base=base, package=package)
        return FileSource("unknown", self._image, package=package)

    def _own(self, node: DagNode, package: Package | None) -> FileSource:
        provenance = self._provenance
        assert provenance is not None
        named = {item.name: item for item in provenance.dependencies}
        is_debian = provenance.build_type == DEBIAN_BUILD
        archive = _archive(provenance, node, package) if is_debian else None
        release = self._release(archive, named) if archive else None
        return FileSource(
            source="signed" if release and "checked" not in release.annotations else self._source(node),
            image=self._image,
            trusted=self._trusted,
            step=step_text(node, self._link(node)),
            stage=node.stage,
            line=node.line,
            inputs=tuple((item, self._made(item)) for item in (*node.inputs, *self._answers(node))),
            revision=named.get("git") if any(item.name == CONTEXT for item in node.inputs) else None,
            package=package,
            archive=archive,
            release=release,
        )

    def _answers(self, node: DagNode) -> tuple[ResourceDescriptor, ...]:
        """What a recorded step read of the web, which its link alone has."""
        link = self._link(node)
        return tuple(one for one in link.materials if one not in node.inputs) if link and link.is_recorded else ()

    def _made(self, item: ResourceDescriptor) -> str:
        nodes = self._steps.artifact.dag.nodes if self._steps else ()
        found = (one for one in nodes if one.tree is not None and item.matches(one.tree))
        return next((step_text(one, self._link(one)) for one in found), "")

    def _release(
        self, archive: ResourceDescriptor, named: Mapping[str | None, ResourceDescriptor]
    ) -> ResourceDescriptor | None:
        wanted = archive.annotations.get("release")
        lists = (item for name, item in named.items() if (name or "").startswith("release:"))
        return next((item for item in lists if item.digest.get("sha256") == wanted), None)

    def _source(self, node: DagNode) -> SourceKind:
        """The weakest of what took part: the step itself, and steps of other stages that it took from."""
        dag = self._steps.artifact.dag if self._steps else None
        numbers, waiting = set[int](), [dag.nodes.index(node)] if dag else []
        while waiting and dag:
            number = waiting.pop()
            if number not in numbers:
                numbers.add(number)
                own = number == dag.nodes.index(node)
                taken = (edge for edge in dag.edges if edge.target == number)
                waiting += [edge.source for edge in taken if not own or self._executed(node) or edge.role != "tree"]
        found: set[SourceKind] = {self._step_source(dag.nodes[number]) for number in numbers} if dag else {"unknown"}
        return next(source for source in _WEAKEST if source in found)

    def _step_source(self, node: DagNode) -> SourceKind:
        link = self._link(node)
        if link is None or not self._executed(node):
            return "pinned"
        if link.is_lent or link.byproducts.get("security") == "insecure":
            return "executed"
        if link.is_recorded:
            return "recorded"
        return "pinned" if link.byproducts.get(NETWORK_USED) == "none" else "executed"

    def _executed(self, node: DagNode) -> bool:
        link = self._link(node)
        return link is not None and "isolation" in link.byproducts

    def _link(self, node: DagNode) -> Link | None:
        return self._steps.artifact.links[node.link] if self._steps and node.link is not None else None

    @cached_property
    def _steps(self) -> AttachedDag | None:
        named = self._provenance.dag_artifact if self._provenance else None
        return next((dag for dag in self._attached.dags if dag.digest == named), None)

    @cached_property
    def _nodes(self) -> dict[Digest, DagNode]:
        nodes = self._steps.artifact.dag.nodes if self._steps else ()
        return {node.layer.diff_id: node for node in nodes if node.layer}

    @cached_property
    def _below(self) -> tuple[Tracer | None, Base | None]:
        """The base image that the lowest layers are: its own record where it is here, and what ours says of it."""
        bases = self._provenance.bases if self._provenance else ()
        for base in bases:
            try:
                manifest = self._host.store.document(self._host.images.get(str(base.manifest)).descriptor)
                assert isinstance(manifest, Manifest)
                diff_ids = self._host.store.config(manifest).diff_ids
            except LadingError:
                continue
            if diff_ids and diff_ids == self._diff_ids[: len(diff_ids)]:
                return Tracer(self._host, str(base.manifest), diff_ids), base
        return None, bases[0] if len(bases) == 1 else None


def _archive(provenance: Provenance, node: DagNode, package: Package | None) -> ResourceDescriptor | None:
    """The .deb of a package, or the only one that a step was given."""
    named = f"{package.name} {package.version}" if package else None
    given = [item.digest for item in node.inputs if (item.name or "").startswith("url:")]
    return next(
        (item for item in provenance.dependencies if item.name == named or (given == [item.digest] and not named)), None
    )


def step_text(node: DagNode, link: Link | None) -> str:
    """A step on one line; that of a Dockerfile begins with its instruction."""
    words = " ".join(node.step.split())
    lacking = link is not None and link.name.isupper() and not words.startswith(link.name)
    return f"{link.name} {words}" if link and lacking else words
