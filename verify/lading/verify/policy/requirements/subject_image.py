"""The image as a rule asks about it, and why a claim cannot be about that, whoever signed it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lading.store.fastclass import dataclass
from lading.store.oci.digests import Digest
from lading.verify.documents.envelopes import IN_TOTO, Envelope
from lading.verify.evidence.claims import Claim
from lading.verify.policy.requirements.phrases import listed
from lading.verify.policy.scopes import repository

_KEYLESS: Final = "was signed without a key (keyless): not built yet, so it cannot be checked"


@dataclass(frozen=True, slots=True)
class SubjectImage:
    """`digests`: its manifest's, and that of the index it was reached through.

    A claim must name one of the repositories of `names`; where that is None, it need name nothing.
    """

    digests: tuple[Digest, ...]
    names: tuple[str, ...] | None = None

    def unfit(self, claim: Claim) -> str | None:
        """Why a claim cannot count whoever signed it; None where it can."""
        if isinstance(claim.proof, Envelope) and claim.proof.payload_type != IN_TOTO:
            return f"holds {claim.proof.payload_type!r}, not an in-toto statement"
        if not any(claim.about(digest) for digest in self.digests):
            return f"is about another digest, {listed(claim.subjects) or 'or about none'}"
        if claim.keyless:
            return _KEYLESS
        return self._misnamed(claim)

    def annotations(self, claim: Claim) -> Mapping[str, object]:
        """What a claim notes on this image."""
        return claim.annotations(*self.digests)

    def _misnamed(self, claim: Claim) -> str | None:
        if self.names is None:
            return None
        found = claim.names(*self.digests)
        if {repository(name) for name in found} & {repository(name) for name in self.names}:
            return None
        asked = listed(self.names) or "the name of an image that has none"
        return f"was signed for {listed(found) or 'no repository'}, asked for is {asked}"
