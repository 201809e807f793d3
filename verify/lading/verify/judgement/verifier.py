"""The verifier: the one place where a verdict is made.

An image is judged under the scope of every name and of every origin, by the policy and by the floor where there
is one; all must accept. What cannot be judged is refused, whatever went wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from lading.store.fastclass import replace
from lading.verify.documents.bases import Base
from lading.verify.evidence.collector import EvidenceCollector
from lading.verify.evidence.evidence import Evidence
from lading.verify.judgement.applicable_rules import FROM, BoundRule, bind, lookup
from lading.verify.judgement.decision import Decision
from lading.verify.judgement.decision_summary import rows
from lading.verify.judgement.errors import GateError, NoAttestationError, RefusedError, RejectedError, UncheckableError
from lading.verify.judgement.judge import Judge
from lading.verify.judgement.recorder import DecisionRecorder
from lading.verify.judgement.targets import Target
from lading.verify.judgement.verdict import Verdict, mint
from lading.verify.keys.keys import PublicKey, SignatureCheck
from lading.verify.policy.policy import Policy

__all__ = ["GateError", "NoAttestationError", "RefusedError", "Target", "UncheckableError", "Verifier"]


_T = TypeVar("_T")


class Verifier:
    """Judges images by a policy, and by a floor that no flag loosens; `check` is what checks signatures."""

    def __init__(
        self,
        policy: Policy,
        floor: Policy | None = None,
        clock: Callable[[], float] = time.time,
        check: SignatureCheck = PublicKey.verify,
    ) -> None:
        self._policy = policy
        self._floors = () if floor is None else (floor,)
        self._clock = clock
        self._check = check
        self._record = DecisionRecorder(policy, self._floors, clock)

    def verify(self, target: Target, evidence: Sequence[Evidence]) -> Verdict:
        """Judges `target` by what `evidence` holds, asked in order until it suffices.

        Raises `RefusedError`, `NoAttestationError` or `UncheckableError`; nothing else, whatever happens.
        """
        return mint(self._guard(target, lambda: self._judge(target, self._bind(target.references), evidence)))

    def remembering(self, check: SignatureCheck) -> Verifier:
        """The same, its signatures checked by `check`, which may remember; under a floor, itself."""
        return self if self._floors else Verifier(self._policy, clock=self._clock, check=check)

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The policy, and the floor where there is one."""
        return (self._policy, *self._floors)

    def key_name(self, fingerprint: str) -> str | None:
        """What the policy calls a key, None where it does not know it."""
        return self._policy.key_name(fingerprint)

    def examine(self, target: Target, evidence: Sequence[Evidence]) -> Decision:
        """The decision on all that every place holds, accepted or not, for showing; it opens no door."""
        try:
            return self._guard(
                target, lambda: self._judge(target, self._bind(target.references), evidence, thorough=True)
            )
        except RefusedError as error:
            return error.decision if error.candidates else self._present(target, evidence, error.decision)
        except GateError as error:
            return error.decision

    def screen(self, reference: str) -> None:
        """Lets a full reference through that a scope covers, before anybody is asked for the image.

        Raises `RejectedError`.
        """
        self._bind((reference,))

    def screen_base(self, reference: str) -> None:
        """As `screen`, by the ``from`` sections."""
        self._bind_base((reference,))

    def override(self, target: Target, reason: str) -> Verdict:
        """A verdict without any proof, on record as such. Raises `RefusedError` where a policy forbids it.

        A scope that the floor rejects stays rejected: no flag loosens a floor.
        """
        for policy in (self._policy, *self._floors):
            if policy.forbid_unverified:
                raise self._record.refusal(target, f"{policy.source} forbids to run what is not verified")
        for policy, reference, rule in lookup(target.references, self._floors, Policy.rule_for):
            if rule is not None and rule.reject:
                words = f"scope {rule.scope!r} of {policy.source} rejects {reference or 'it'}"
                raise self._record.refusal(target, words)
        self._check_index(target)
        return mint(self._record.decision(target, None, "accepted", reason=reason, basis="override"))

    def base(self, target: Target, evidence: Sequence[Evidence]) -> Base:
        """How far a base image is vouched for by the ``from`` sections; it opens no door.

        Raises as `verify` does where a section asks for more than is shown.
        """
        return self._guard(target, lambda: self._judge_base(target, self._bind_base(target.references), evidence))

    def _guard(self, target: Target, judge: Callable[[], _T]) -> _T:
        try:
            return judge()
        except RejectedError as error:
            raise self._record.refusal(target, str(error)) from None
        except GateError:
            raise
        except Exception as error:  # any fault is a refusal
            words = f"could not be checked: {type(error).__name__}: {error}"
            decision = self._record.decision(target, None, "uncheckable", reason=words)
            raise UncheckableError(f"{decision.title}: {words}", decision) from error

    def _bind(self, references: Sequence[str | None]) -> list[BoundRule]:
        """A floor without scopes has no opinion on images; a policy without scopes accepts none."""
        floors = [floor for floor in self._floors if floor.scopes is not None]
        return bind(references, (self._policy, *floors), Policy.rule_for)

    def _bind_base(self, references: Sequence[str | None]) -> list[BoundRule]:
        """A floor without a ``from`` section has no opinion on bases."""
        floors = [floor for floor in self._floors if floor.bases is not None]
        return bind(references, (self._policy, *floors), Policy.base_rule_for, FROM)

    def _judge_base(self, target: Target, rules: Sequence[BoundRule], evidence: Sequence[Evidence]) -> Base:
        self._check_index(target)
        asking = [bound for bound in rules if bound.rule.requirements]
        strict = [bound for bound in asking if not bound.rule.allow_unverified]
        collector = EvidenceCollector(target.subjects)
        if strict:
            self._judge(target, strict, evidence, collector)
        if not asking:
            return self._record.base(target, "unverified", "the policy asks for nothing of this base")
        try:
            decision = self._judge(target, asking, evidence, collector)
        except GateError as error:
            return self._record.base(target, "unverified", _lacking(error))
        if decision.base_status == "unverified":
            words = "accepted by key, but stands on a base that nobody vouched for"
            return self._record.base(target, "unverified", words)
        return self._record.base(target, "verified", "accepted by key")

    def _judge(
        self,
        target: Target,
        rules: Sequence[BoundRule],
        evidence: Sequence[Evidence],
        collector: EvidenceCollector | None = None,
        *,
        thorough: bool = False,
    ) -> Decision:
        """By what `collector` holds already and by `evidence`, of which it asks nobody a second time."""
        self._check_index(target)
        collector = collector or EvidenceCollector(target.subjects)
        judgement = Judge(target.digests, collector, self._check).judge(rules)
        for source in evidence:
            collector.add(source)
            judgement = Judge(target.digests, collector, self._check).judge(rules)
            if judgement.accepted and not thorough:
                break
        if judgement.accepted:
            return self._record.decision(target, judgement, "accepted", errors=collector.errors)
        raise self._record.failure(target, judgement, collector)

    def _present(self, target: Target, evidence: Sequence[Evidence], refused: Decision) -> Decision:
        """`refused` with what is attached, where no rule says what to make of it."""
        collector = EvidenceCollector(target.subjects)
        for source in evidence:
            collector.add(source)
        judgement = Judge(target.digests, collector, self._check).judge(())
        return replace(refused, candidates=judgement.candidates, errors=collector.errors)

    def _check_index(self, target: Target) -> None:
        if not target.in_index:
            raise self._record.refusal(target, "it is not among the manifests of the index it was reached through")


def _lacking(error: GateError) -> str:
    """What is missing, at a glance."""
    return "; ".join(f"no {row.text}" for row in rows(error.decision) if not row.met) or error.message
