"""What a piece of evidence claims, before anybody has asked whether to believe it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from lading.store.fastclass import dataclass
from lading.store.oci.digests import Digest
from lading.verify.documents.envelopes import IN_TOTO, Envelope
from lading.verify.documents.statements import SIGN, Statement, short_type
from lading.verify.evidence.legacy import SimpleSignature
from lading.verify.keys.keys import PublicKey, SignatureCheck

ClaimKind = Literal["signature", "attestation"]


@dataclass(frozen=True, slots=True)
class EvidenceLocation:
    """Where evidence was found: a manifest among the referrers of `subject` in `source`, and its layer."""

    source: str
    subject: Digest
    manifest: Digest
    layer: Digest | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """One signed claim. `statement` is None for cosign's older signatures, and for foreign payload types."""

    location: EvidenceLocation
    proof: Envelope | SimpleSignature
    statement: Statement | None
    keyless: bool

    @classmethod
    def of(cls, location: EvidenceLocation, proof: Envelope | SimpleSignature, keyless: bool, source: str) -> Claim:
        """Raises `DocumentError` for a malformed statement."""
        statement = None
        if isinstance(proof, Envelope) and proof.payload_type == IN_TOTO:
            statement = Statement.parse(proof.payload, source)
        return cls(location, proof, statement, keyless)

    @property
    def kind(self) -> ClaimKind:
        """Whether it says no more than "I sign this", or attests something."""
        simple = isinstance(self.proof, SimpleSignature)
        return "signature" if simple or self.predicate_type == SIGN else "attestation"

    @property
    def predicate_type(self) -> str | None:
        """The URI, None where there is no statement."""
        return self.statement.predicate_type if self.statement else None

    @property
    def label(self) -> str:
        """For people: ``signature``, ``slsaprovenance1``, a URI."""
        if isinstance(self.proof, SimpleSignature):
            return "signature"
        return short_type(self.statement.predicate_type) if self.statement else self.proof.payload_type

    @property
    def subjects(self) -> tuple[Digest, ...]:
        """What it is about, by SHA-256."""
        if isinstance(self.proof, SimpleSignature):
            return (self.proof.image,)
        subjects = self.statement.subjects if self.statement else ()
        return tuple(subject.sha256 for subject in subjects if subject.sha256)

    def about(self, digest: Digest) -> bool:
        """Whether it is about the document with `digest`, by digest alone."""
        if isinstance(self.proof, SimpleSignature):
            return self.proof.image == digest
        return self.statement is not None and self.statement.about(digest)

    def names(self, *digests: Digest) -> tuple[str, ...]:
        """The names that it gives to those of its subjects that have one of `digests`."""
        if isinstance(self.proof, SimpleSignature):
            return (self.proof.reference,) if self.proof.reference else ()
        subjects = self.statement.subjects if self.statement else ()
        return tuple(item.name for item in subjects if item.name and any(item.matches(digest) for digest in digests))

    def annotations(self, *digests: Digest) -> Mapping[str, object]:
        """What it notes on its subjects that have one of `digests`."""
        if isinstance(self.proof, SimpleSignature):
            return self.proof.annotations
        subjects = self.statement.subjects if self.statement else ()
        found = [item.annotations for item in subjects if any(item.matches(digest) for digest in digests)]
        return {name: value for notes in found for name, value in notes.items()}

    def signed_by(self, key: PublicKey, check: SignatureCheck = PublicKey.verify) -> bool:
        """Whether a signature on it is by `key`."""
        return self.proof.signed_by(key, check)
