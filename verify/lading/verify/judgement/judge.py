"""Holds claims against the rules of a policy. Pure: everything was read before, nothing is decided here.

Every claim is held against every requirement, so that each has its reason for the record.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass, field
from lading.store.oci.digests import Digest
from lading.store.oci.json import Fields
from lading.verify.documents.bases import Base, Standing, weakest
from lading.verify.documents.envelopes import IN_TOTO, Envelope
from lading.verify.documents.statements import PROVENANCE, PROVENANCE_V02, short_type
from lading.verify.evidence.claims import Claim
from lading.verify.evidence.collector import Gathering, Other
from lading.verify.judgement.decision import Candidate, Finding, Outcome
from lading.verify.keys.keys import PublicKey
from lading.verify.policy.requirements import phrases
from lading.verify.policy.policy import NamedKey, Require, Rule, SignedBy
from lading.verify.policy.scopes import repository

if TYPE_CHECKING:
    from lading.verify.documents.provenance import Provenance

ANY: Final = "any"
"""The requirement of an outcome that holds for all of them."""


@dataclass(frozen=True, slots=True)
class BoundRule:
    """A rule, the policy it stands in, and the reference it was found for (None: the image has none)."""

    rule: Rule
    policy: str
    reference: str | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of it."""

    findings: tuple[Finding, ...]
    candidates: tuple[Candidate, ...]
    bases: tuple[Base, ...]
    base_standing: Standing

    @property
    def accepted(self) -> bool:
        """Whether every requirement is met; without any, nothing is."""
        return bool(self.findings) and all(finding.met for finding in self.findings)


@dataclass(slots=True)
class _Row:
    """A claim and what was made of it so far."""

    claim: Claim
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    signers: dict[bytes, NamedKey] = field(default_factory=dict[bytes, NamedKey])


class Judge:
    """Judges claims about `digests`: the manifest, and the index it was reached through."""

    def __init__(self, digests: tuple[Digest, ...], gathering: Gathering) -> None:
        self._digests = digests
        self._others = tuple(gathering.others)
        self._rows = [_Row(claim) for claim in gathering.claims]
        self._checked: dict[tuple[int, bytes], bool] = {}

    def judge(self, rules: Sequence[BoundRule]) -> Judgement:
        """Holds everything against every requirement of every rule."""
        findings = [finding for rule in rules for finding in self._findings(rule)]
        self._find_signers(rules)
        trusted = [item for row in self._rows if (item := _trusted_provenance(row)) is not None]
        bases = tuple(base for item in trusted for base in item.bases)
        standing = weakest(item.base_standing for item in trusted) if trusted else "unknown"
        return Judgement(tuple(findings), self._candidates(), bases, standing)

    def _findings(self, bound: BoundRule) -> list[Finding]:
        found = [self._signed_by(bound, bound.rule.signed_by)] if bound.rule.signed_by else []
        return found + [self._require(bound, requirement) for requirement in bound.rule.require]

    def _signed_by(self, bound: BoundRule, wanted: SignedBy) -> Finding:
        words = phrases.signatures(wanted)
        counted: dict[bytes, NamedKey] = {}
        for row in self._rows:
            reason = self._unfit(row.claim, bound) or self._no_signature(row.claim, wanted)
            signers = () if reason else self._signers(row, wanted.keys)
            new = [key for key in signers if key.key.der not in counted]
            counted.update({key.key.der: key for key in new})
            row.outcomes.append(_outcome(words, reason, signers, new, wanted.keys))
        met = len(counted) >= wanted.threshold
        return Finding(bound.policy, bound.rule.scope, words, "signature", met, tuple(counted.values()))

    def _require(self, bound: BoundRule, wanted: Require) -> Finding:
        words = phrases.attestation(wanted)
        counted: dict[bytes, NamedKey] = {}
        for row in self._rows:
            reason = self._unfit(row.claim, bound)
            if reason is None and row.claim.predicate_type != wanted.predicate_type:
                reason = f"is of another type, {row.claim.label}"
            signers = () if reason else self._signers(row, wanted.by)
            if signers and (reason := _wrong_builder(row.claim, wanted)):
                signers = ()
            counted.update({key.key.der: key for key in signers})
            row.outcomes.append(_outcome(words, reason, signers, signers, wanted.by))
        signed, kind = tuple(counted.values()), short_type(wanted.predicate_type)
        return Finding(bound.policy, bound.rule.scope, words, kind, bool(signed), signed, wanted.builder)

    def _unfit(self, claim: Claim, bound: BoundRule) -> str | None:
        """Why a claim cannot count whoever signed it; None where it can."""
        if isinstance(claim.proof, Envelope) and claim.proof.payload_type != IN_TOTO:
            return f"holds {claim.proof.payload_type!r}, not an in-toto statement"
        if not any(claim.about(digest) for digest in self._digests):
            return f"is about another digest, {phrases.listed(map(str, claim.subjects)) or 'or about none'}"
        if claim.keyless:
            return phrases.KEYLESS
        return self._misnamed(claim, bound)

    def _misnamed(self, claim: Claim, bound: BoundRule) -> str | None:
        if bound.rule.signed_for is None:
            return None
        wanted = bound.rule.signed_for or ((bound.reference,) if bound.reference else ())
        names = claim.names(*self._digests)
        if {repository(name) for name in names} & {repository(name) for name in wanted}:
            return None
        found = phrases.listed(names) or "no repository"
        return f"was signed for {found}, asked for is {phrases.listed(wanted) or 'the name of an image that has none'}"

    def _no_signature(self, claim: Claim, wanted: SignedBy) -> str | None:
        if claim.kind != "signature":
            return f"is an attestation ({claim.label}); signed_by counts only signatures"
        notes = claim.annotations(*self._digests)
        missing = [f"{name}={value}" for name, value in wanted.annotations.items() if notes.get(name) != value]
        return f"lacks the annotation {phrases.listed(missing)}" if missing else None

    def _signers(self, row: _Row, keys: Sequence[NamedKey]) -> tuple[NamedKey, ...]:
        found = tuple(key for key in keys if self._check(row.claim, key.key))
        for key in found:
            row.signers.setdefault(key.key.der, key)
        return found

    def _find_signers(self, rules: Sequence[BoundRule]) -> None:
        """Who of all trusted keys signed what, also where nothing asked for it."""
        for row in self._rows:
            for bound in rules:
                if self._unfit(row.claim, bound) is None:
                    self._signers(row, bound.rule.keys)

    def _check(self, claim: Claim, key: PublicKey) -> bool:
        at = (id(claim), key.der)
        if at not in self._checked:
            self._checked[at] = claim.signed_by(key)
        return self._checked[at]

    def _candidates(self) -> tuple[Candidate, ...]:
        return (*map(_candidate, self._rows), *map(_rejected, self._others))


def _candidate(row: _Row) -> Candidate:
    claim = row.claim
    trusted = tuple(row.signers.values())
    return Candidate(claim.place, claim.kind, claim.label, tuple(row.outcomes), claim.statement, trusted)


def _rejected(other: Other) -> Candidate:
    return Candidate(other.place, other.kind, other.kind, (Outcome(ANY, False, other.reason),))


def _outcome(
    requirement: str,
    reason: str | None,
    signers: Sequence[NamedKey],
    new: Sequence[NamedKey],
    keys: Sequence[NamedKey],
) -> Outcome:
    if reason is not None:
        return Outcome(requirement, False, reason)
    if new:
        return Outcome(requirement, True, f"signed by {phrases.listed(map(str, new))}")
    if signers:
        return Outcome(requirement, False, f"signed by {phrases.listed(map(str, signers))}, counted already")
    return Outcome(requirement, False, phrases.signed_by_none(keys), foreign=True)


def _wrong_builder(claim: Claim, wanted: Require) -> str | None:
    """Compared only once the signer is one of those asked for: before, anybody could have written it."""
    if wanted.builder is None or (found := _builder(claim)) == wanted.builder:
        return None
    return f"names the builder {found!r}, asked for is {wanted.builder!r}"


def _builder(claim: Claim) -> str | None:
    """builder.id of a provenance; None where it names none."""
    if claim.statement is None:
        return None
    from lading.verify.documents.provenance import Provenance  # noqa: PLC0415 - only where there is one

    try:
        if claim.predicate_type == PROVENANCE_V02:
            return Fields(dict(claim.statement.predicate), "provenance").fields("builder").text("id")
        return Provenance.parse(claim.statement).builder_id
    except DocumentError:
        return None


def _trusted_provenance(row: _Row) -> Provenance | None:
    """The provenance in a claim that a trusted key signed, with a sound record of bases."""
    statement = row.claim.statement
    if not row.signers or statement is None or statement.predicate_type != PROVENANCE:
        return None
    from lading.verify.documents.provenance import Provenance  # noqa: PLC0415

    try:
        provenance = Provenance.parse(statement)
        _ = provenance.bases
    except DocumentError:
        return None
    return provenance
