"""The OCI artifact that carries a layer DAG and its signed links, so that copying an image carries them.

Its first layer is the DAG document, whose media type is also the artifact's; every further layer is one DSSE
envelope around a link, in the order of the numbers that the nodes use. Its subject is the image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import Manifest
from lading.verify.documents import envelopes
from lading.verify.documents.attach import Artifact, compose
from lading.verify.documents.dag import Dag
from lading.verify.documents.envelopes import Envelope
from lading.verify.documents.evidence_kinds import is_dag_artifact
from lading.verify.documents.links import Link
from lading.verify.documents.media_types import DAG, DSSE
from lading.verify.documents.statements import Statement

MAX_LINKS = 4095
"""Layers of one manifest, less the document."""


@dataclass(frozen=True, slots=True)
class DagArtifact:
    """A DAG and the envelopes and links that its nodes number."""

    dag: Dag
    envelopes: tuple[Envelope, ...]
    links: tuple[Link, ...]


def artifact(
    subject: Descriptor, dag: Dag, links: Sequence[Envelope | bytes], annotations: Mapping[str, str] | None = None
) -> Artifact:
    """The artifact about `subject`. An envelope given as bytes (a cache's) is carried as it is.

    Raises `DocumentError` where nodes and links do not belong together.
    """
    raws = [link if isinstance(link, bytes) else link.raw() for link in links]
    join(dag, [Envelope.parse(raw, f"link {at}") for at, raw in enumerate(raws)])
    layers = [(DAG, dag.raw()), *((DSSE, raw) for raw in raws)]
    return compose(subject, DAG, layers, annotations or {})


def read_artifact(manifest: Manifest, read: Callable[[Descriptor, int], bytes]) -> DagArtifact:
    """Takes the artifact apart; `read` gives the verified content of a descriptor up to a limit in bytes.

    Signatures are not checked. Raises `DocumentError` for another form, or where nodes and links disagree.
    """
    if not is_dag_artifact(manifest):
        raise DocumentError("not a layer DAG: it must hold the DAG document and then DSSE envelopes only")
    document, *rest = manifest.layers
    dag = Dag.parse(read(document, 4 * 1024 * 1024))
    if len(rest) != dag.link_count:
        raise DocumentError(f"layer DAG: speaks of {dag.link_count} links, the artifact holds {len(rest)}")
    found = [Envelope.parse(read(layer, envelopes.MAX_SIZE), f"link {at}") for at, layer in enumerate(rest)]
    return DagArtifact(dag, tuple(found), join(dag, found))


def join(dag: Dag, found: Sequence[Envelope]) -> tuple[Link, ...]:
    """The links in `found`, each checked against the tree of the nodes that number it."""
    if len(found) != dag.link_count or len(found) > MAX_LINKS:
        raise DocumentError(f"layer DAG: speaks of {dag.link_count} links (at most {MAX_LINKS}), found {len(found)}")
    links = tuple(_link(envelope, f"link {at}") for at, envelope in enumerate(found))
    for at, node in enumerate(dag.nodes):
        if node.link is not None and node.tree != links[node.link].product:
            raise DocumentError(f"layer DAG: nodes[{at}]: link {node.link} is about another tree")
    return links


def _link(envelope: Envelope, source: str) -> Link:
    if envelope.payload_type != envelopes.IN_TOTO:
        raise DocumentError(f"{source}: payload type {envelope.payload_type!r} is not in-toto's")
    return Link.parse(Statement.parse(envelope.payload, source), source)
