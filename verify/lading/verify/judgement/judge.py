"""Holds claims against the rules of a policy. Pure: everything was read before, nothing is decided here.

Every claim is held against every requirement, so that each has its reason for the record.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass
from lading.store.oci.digests import Digest
from lading.verify.documents.bases import Base, BaseStatus, weakest
from lading.verify.documents.statements import PROVENANCE
from lading.verify.evidence.claim_set import ClaimSet
from lading.verify.evidence.claims import Claim
from lading.verify.evidence.collector import EvidenceCollector, IgnoredEvidence
from lading.verify.judgement.applicable_rules import BoundRule
from lading.verify.judgement.decision import Candidate
from lading.verify.keys.keys import PublicKey, SignatureCheck
from lading.verify.policy.requirements.finding import Finding, Outcome

if TYPE_CHECKING:
    from lading.verify.documents.provenance import Provenance

ANY: Final = "any"
"""The requirement of an outcome that holds for all of them."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of it."""

    findings: tuple[Finding, ...]
    candidates: tuple[Candidate, ...]
    bases: tuple[Base, ...]
    base_status: BaseStatus

    @property
    def accepted(self) -> bool:
        """Whether every requirement is met; without any, nothing is."""
        return bool(self.findings) and all(finding.met for finding in self.findings)


class Judge:
    """Judges claims about `digests`: the manifest, and the index it was reached through."""

    def __init__(
        self, digests: tuple[Digest, ...], collector: EvidenceCollector, check: SignatureCheck = PublicKey.verify
    ) -> None:
        self._digests = digests
        self._ignored = tuple(collector.ignored)
        self._claims = ClaimSet(collector.claims, check)

    def judge(self, rules: Sequence[BoundRule]) -> Judgement:
        """Holds everything against every requirement of every rule."""
        findings = tuple(finding for rule in rules for finding in self._findings(rule))
        self._find_signers(rules)
        trusted = list(self._trusted_provenances())
        bases = tuple(base for item in trusted for base in item.bases)
        status = weakest(item.base_status for item in trusted) if trusted else "unknown"
        return Judgement(findings, self._candidates(findings), bases, status)

    def _findings(self, bound: BoundRule) -> Iterator[Finding]:
        """One for each requirement; for a rule without any, that it is not met."""
        whole = bound.rule.requirement.evaluate(self._claims, bound.subject(self._digests))
        for finding in whole.parts or (whole,):
            yield finding.within(bound.policy, bound.rule.scope)

    def _find_signers(self, rules: Sequence[BoundRule]) -> None:
        """Who of all trusted keys signed what, also where nothing asked for it."""
        for bound in rules:
            subject = bound.subject(self._digests)
            for claim in self._claims:
                if subject.unfit(claim) is None:
                    self._claims.signers(claim, bound.rule.keys)

    def _trusted_provenances(self) -> Iterator[Provenance]:
        for claim in self._claims:
            if self._claims.known_signers(claim) and (found := _provenance(claim)) is not None:
                yield found

    def _candidates(self, findings: Sequence[Finding]) -> tuple[Candidate, ...]:
        looked = (
            _candidate(claim, tuple(finding.outcomes[at] for finding in findings), self._claims)
            for at, claim in enumerate(self._claims)
        )
        return (*looked, *map(_rejected, self._ignored))


def _candidate(claim: Claim, outcomes: tuple[Outcome, ...], claims: ClaimSet) -> Candidate:
    return Candidate(claim.location, claim.kind, claim.label, outcomes, claim.statement, claims.known_signers(claim))


def _rejected(ignored: IgnoredEvidence) -> Candidate:
    return Candidate(ignored.location, ignored.kind, ignored.kind, (Outcome(ANY, False, ignored.reason),))


def _provenance(claim: Claim) -> Provenance | None:
    """The provenance in a claim, with a sound record of bases."""
    if claim.statement is None or claim.predicate_type != PROVENANCE:
        return None
    from lading.verify.documents.provenance import Provenance  # noqa: PLC0415 - only where there is one

    try:
        provenance = Provenance.parse(claim.statement)
        _ = provenance.bases
    except DocumentError:
        return None
    return provenance
