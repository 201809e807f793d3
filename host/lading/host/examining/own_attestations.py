"""What a build of our own wrote beside its image: read back from the store that it is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lading.build.attest.network_artifact import is_recorded_network
from lading.store.content.blobs import read_blob
from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass
from lading.store.oci.documents import Manifest
from lading.verify.documents import bundles, envelopes
from lading.verify.documents.dag_artifact import DagArtifact, read_artifact
from lading.verify.documents.evidence_kinds import is_dag_artifact
from lading.verify.documents.provenance import Provenance
from lading.verify.documents.statements import PROVENANCE, Statement

if TYPE_CHECKING:
    from lading.build.graph.request import Built
    from lading.store.store import Store


@dataclass(frozen=True, slots=True)
class OwnAttestations:
    """The provenance, and the record of the steps."""

    provenance: Provenance
    dag: DagArtifact


def own_attestations(store: Store, built: Built) -> OwnAttestations:
    """Those of `built`. Raises `DocumentError` where they are not there."""
    manifests = [store.document(descriptor) for descriptor in built.attestations]
    found = [manifest for manifest in manifests if isinstance(manifest, Manifest)]
    dags = [
        read_artifact(one, lambda part, limit: read_blob(store.blobs, part.digest, limit=limit))
        for one in found
        if is_dag_artifact(one)
    ]
    said = [_statement(store, one) for one in found if not is_dag_artifact(one) and not is_recorded_network(one)]
    provenances = [Provenance.parse(statement) for statement in said if statement.predicate_type == PROVENANCE]
    if len(dags) != 1 or len(provenances) != 1:
        raise DocumentError(f"{built.descriptor.digest}: its own provenance is not there")
    return OwnAttestations(provenances[0], dags[0])


def _statement(store: Store, artifact: Manifest) -> Statement:
    raw = read_blob(store.blobs, artifact.layers[0].digest, limit=envelopes.MAX_SIZE)
    return Statement.parse(bundles.parse(raw).envelope.payload)
