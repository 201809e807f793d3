"""Puts on record what came of a judgement, in whichever of the four ways it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from lading.store.errors import Remedy
from lading.store.fastclass import dataclass
from lading.verify.documents.bases import Base, BaseStatus
from lading.verify.evidence.collector import EvidenceCollector
from lading.verify.judgement.decision import Basis, Decision, Ending
from lading.verify.judgement.errors import GateError, NoAttestationError, RefusedError, UncheckableError
from lading.verify.judgement.judge import ANY, Judgement
from lading.verify.judgement.targets import Target
from lading.verify.policy.canonical import policy_digest
from lading.verify.policy.policy import Policy

_HINTS: Final[Mapping[type[GateError], str]] = {
    RefusedError: Remedy("look closer", "the decision lists everything that was looked at, and why it did not count"),
    NoAttestationError: Remedy("sign", "sign it, if it is yours to vouch for"),
}
_SHOWN: Final = 3
"""Reasons in the one line of a refusal; `Decision.explain` has all."""


@dataclass(frozen=True, slots=True)
class DecisionRecorder:
    """Writes for one policy and the floors beside it."""

    policy: Policy
    floors: tuple[Policy, ...]
    clock: Callable[[], float]

    def decision(
        self,
        target: Target,
        judgement: Judgement | None,
        outcome: Ending,
        *,
        reason: str = "",
        errors: Sequence[str] = (),
        basis: Basis = "policy",
    ) -> Decision:
        """The whole of a judgement, or what ended one before it began."""
        return Decision(
            outcome=outcome,
            basis=basis,
            manifest=target.manifest.descriptor.digest,
            index=None if target.index is None else target.index.descriptor.digest,
            platform=None if target.platform is None else str(target.platform),
            names=target.names,
            origins=target.origins,
            policy=policy_digest(self.policy),
            floor=next((policy_digest(floor) for floor in self.floors), None),
            time=self.clock(),
            findings=judgement.findings if judgement else (),
            candidates=judgement.candidates if judgement else (),
            errors=tuple(errors),
            bases=judgement.bases if judgement else (),
            base_status=judgement.base_status if judgement else "unknown",
            reason=reason,
        )

    def refusal(self, target: Target, words: str) -> RefusedError:
        """A refusal before anything was looked at."""
        decision = self.decision(target, None, "refused", reason=words)
        return RefusedError(f"{decision.title}: refused: {words}", decision)

    def failure(self, target: Target, judgement: Judgement, collector: EvidenceCollector) -> GateError:
        """Why a judgement that did not accept did not, which of the three ways it is, and what may be done."""
        missing = next(finding for finding in judgement.findings if not finding.met)
        wanted = f"scope {missing.scope!r} of {missing.policy} asks for {missing.requirement}"
        kind: type[GateError]
        if collector.errors:
            kind, words = UncheckableError, f"could not be checked: {collector.errors[0]}"
        elif not collector.claims and not any(item.broken for item in collector.ignored):
            kind, words = NoAttestationError, f"nothing is attached to it that could be judged; {wanted}"
        else:
            kind, words = RefusedError, f"refused: {wanted}; {_looked(judgement, missing.requirement)}"
        decision = self.decision(target, judgement, kind.outcome, reason=words, errors=collector.errors)
        return kind(f"{decision.title}: {words}", decision, hint=_HINTS.get(kind))

    def base(self, target: Target, status: BaseStatus, reason: str) -> Base:
        """What came of judging a base image."""
        return Base(
            reference=target.names[0] if target.names else str(target.digests[0]),
            manifest=target.manifest.descriptor.digest,
            status=status,
            index=None if target.index is None else target.index.descriptor.digest,
            platform=None if target.platform is None else str(target.platform),
            policy=policy_digest(self.policy),
            reason=reason,
        )


def _looked(judgement: Judgement, requirement: str) -> str:
    """Why candidates did not count: of each reason the first, in half a line, so that the order hides no reason."""
    found = [
        (outcome.reason, f"{candidate.label} {candidate.location.manifest.short} {outcome.reason}")
        for candidate in judgement.candidates
        for outcome in candidate.outcomes
        if outcome.requirement in (requirement, ANY) and not outcome.counted and candidate.kind not in ("dag", "other")
    ]
    first: dict[str, str] = {}
    for reason, words in found:
        first.setdefault(reason, words)
    shown = list(first.values())[:_SHOWN]
    more = f"; and {len(found) - len(shown)} more" if len(found) > len(shown) else ""
    return "; ".join(shown) + more
