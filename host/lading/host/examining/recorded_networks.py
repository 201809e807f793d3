"""What an image's steps asked of the web when it was built, to be answered again from the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lading.build.attest.network_artifact import read_tape
from lading.build.graph.steps.network_recording import NetworkRecording, Replay
from lading.store.content.blobs import read_blob
from lading.store.errors import DocumentError, InputError, Remedy
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import MANIFEST, Manifest
from lading.verify.documents.statements import PROVENANCE

if TYPE_CHECKING:
    from lading.host.host import Host
    from lading.host.trust.attached_evidence import AttachedDag
    from lading.store.store import Store
    from lading.verify.documents.provenance import Provenance
    from lading.verify.judgement.decision import Candidate


def replaying(host: Host, image: str) -> NetworkRecording:
    """The recording that the provenance of an image that is here names, whose signer the policy trusts.

    Raises `InputError` where there is none.
    """
    found = recording_of(host.store, image, trusted_provenance(host, image)[1])
    if found is None:
        raise InputError(
            f"{image}: was built without a record of its network", hint="a build that records it keeps one"
        )
    return found


def trusted_provenance(host: Host, image: str) -> tuple[Candidate, Provenance, AttachedDag | None]:
    """The newest provenance that the policy trusts, and the record of the steps that it names."""
    from lading.verify.documents.provenance import Provenance  # noqa: PLC0415

    attached = host.attached(image)
    found = [
        (candidate, Provenance.parse(candidate.statement))
        for candidate in attached.decision.candidates
        if candidate.trusted_by and candidate.statement and candidate.statement.predicate_type == PROVENANCE
    ]
    if not found:
        hint = Remedy("look at provenance", "what it says is executed, so the policy must trust who signed it")
        raise InputError(f"{image}: no provenance that the policy trusts is attached to it", hint=hint)
    candidate, provenance = max(found, key=lambda pair: pair[1].finished or "")
    steps = next((dag for dag in attached.dags if dag.digest == provenance.dag_artifact), None)
    return candidate, provenance, steps


def recording_of(store: Store, image: str, provenance: Provenance) -> NetworkRecording | None:
    """The recording that a provenance names, None where it names none. Raises `InputError` where it is not all here."""
    digest = provenance.network_artifact
    if digest is None:
        return None
    try:
        manifest = store.document(Descriptor(MANIFEST, digest, 0))
        if not isinstance(manifest, Manifest):
            raise DocumentError("not a manifest")
        tape = read_tape(manifest, lambda part, limit: read_blob(store.blobs, part.digest, limit=limit))
        for body in tape.bodies:
            if store.blobs.size(body) is None:
                raise DocumentError(f"the body {body} is not here")
    except DocumentError as error:
        raise InputError(f"{image}: the record of its network is not here as it was: {error.message}") from error
    return NetworkRecording(Replay(tape, store.blobs))
