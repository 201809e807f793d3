"""Everything that is attached to an image, read for people: statements, and the DAG with its links."""

from __future__ import annotations

from lading.host.trust.verification_input import VerificationInput
from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import parse_manifest
from lading.verify.documents.dag_artifact import DagArtifact, read_artifact
from lading.verify.documents.evidence_kinds import is_dag_artifact
from lading.verify.documents.provenance import Provenance
from lading.verify.documents.statements import PROVENANCE
from lading.verify.evidence.evidence import Evidence
from lading.verify.judgement.decision import Decision
from lading.verify.keys.keys import PublicKey


@dataclass(frozen=True, slots=True)
class AttachedDag:
    """The DAG artifact, whether a trusted provenance names it, and by which of our keys all its links are signed."""

    artifact: DagArtifact
    digest: Digest
    bound: bool
    signers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AttachedBuild:
    """A provenance, by the digest of its manifest, whether the policy trusts its signer, and the steps it names."""

    provenance: Provenance
    digest: Digest
    trusted: bool
    steps: AttachedDag | None


@dataclass(frozen=True, slots=True)
class AttachedEvidence:
    """The decision on everything attached, and the steps where they are attached."""

    decision: Decision
    dags: tuple[AttachedDag, ...]

    def builds(self) -> list[AttachedBuild]:
        """By each SLSA provenance, those that the policy trusts first, the newest first."""
        found: list[AttachedBuild] = []
        by_digest = {dag.digest: dag for dag in self.dags}
        for candidate in self.decision.candidates:
            statement = candidate.statement
            if statement is not None and statement.predicate_type == PROVENANCE:
                parsed = Provenance.parse(statement)
                steps = by_digest.get(parsed.dag_artifact) if parsed.dag_artifact else None
                found.append(AttachedBuild(parsed, candidate.location.manifest, bool(candidate.trusted_by), steps))
        return sorted(found, key=lambda one: (one.trusted, one.provenance.finished or ""), reverse=True)

    @property
    def steps(self) -> AttachedDag | None:
        """Of the first build that names any; else such as nobody names."""
        named = (build.steps for build in self.builds() if build.steps)
        return next(named, self.dags[0] if self.dags else None)


def read_attached(case: VerificationInput, decision: Decision, keys: list[PublicKey]) -> AttachedEvidence:
    """Reads what `case` has beside the decision on it. What cannot be read is left out: the decision names it."""
    trusted = {
        build.provenance.dag_artifact
        for build in AttachedEvidence(decision, ()).builds()
        if build.trusted and build.provenance.dag_artifact
    }
    steps: dict[Digest, AttachedDag] = {}
    for place in case.evidence:
        for descriptor in _referrers(place, case):
            found = _steps(place, descriptor, trusted, keys)
            if found is not None:
                steps.setdefault(descriptor.digest, found)
    return AttachedEvidence(decision, tuple(steps.values()))


def _referrers(place: Evidence, case: VerificationInput) -> list[Descriptor]:
    return [item for subject in case.target.subjects for item in place.referrers(subject).descriptors]


def _steps(place: Evidence, descriptor: Descriptor, trusted: set[Digest], keys: list[PublicKey]) -> AttachedDag | None:
    try:
        manifest = parse_manifest(place.read(descriptor, limit=4 * 1024 * 1024), None, str(descriptor.digest))
        if not is_dag_artifact(manifest):
            return None
        artifact = read_artifact(manifest, lambda part, limit: place.read(part, limit=limit))
    except DocumentError:
        return None
    signers = tuple(key.fingerprint for key in keys if all(item.signed_by(key) for item in artifact.envelopes))
    return AttachedDag(artifact, descriptor.digest, descriptor.digest in trusted, signers)
