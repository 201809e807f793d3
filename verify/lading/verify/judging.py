"""Holds claims against the rules of a policy. Pure: everything was read before, nothing is decided here.

Every claim is held against every requirement, so that each has its reason for the record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from lading.store.digests import Digest
from lading.store.errors import DocumentError
from lading.store.strict import Fields
from lading.verify.claims import Claim
from lading.verify.decision import Candidate, Finding, Outcome
from lading.verify.envelopes import IN_TOTO, Envelope
from lading.verify.gathering import Gathering
from lading.verify.keys import PublicKey
from lading.verify.policy import NamedKey, Require, Rule, SignedBy
from lading.verify.provenance import Provenance
from lading.verify.scopes import repository
from lading.verify.standings import Base, Standing, weakest
from lading.verify.statements import PROVENANCE, PROVENANCE_V02, short_type

KEYLESS: Final = "was signed without a key (keyless): not built yet, so it cannot be checked"
ED25519PH: Final = "; of Ed25519 only the pure form is accepted, not Ed25519ph, which cosign makes"


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
        self._gathering = gathering
        self._rows = [_Row(claim) for claim in gathering.claims]
        self._checked: dict[tuple[int, bytes], bool] = {}

    def judge(self, rules: Sequence[BoundRule]) -> Judgement:
        """Holds everything against every requirement of every rule."""
        findings = [finding for rule in rules for finding in self._findings(rule)]
        self._find_signers(rules)
        standing, bases = self._bases(rules)
        return Judgement(tuple(findings), self._candidates(), bases, standing)

    def _findings(self, bound: BoundRule) -> list[Finding]:
        found = [self._signed_by(bound, bound.rule.signed_by)] if bound.rule.signed_by else []
        return found + [self._require(bound, requirement) for requirement in bound.rule.require]

    def _signed_by(self, bound: BoundRule, wanted: SignedBy) -> Finding:
        words = f"{_count(wanted.threshold)} by {_names(wanted.keys)}"
        counted: dict[bytes, NamedKey] = {}
        for row in self._rows:
            reason = self._unfit(row.claim, bound)
            if reason is None and row.claim.kind != "signature":
                reason = f"is an attestation ({row.claim.label}); signed_by counts only signatures"
            signers = () if reason else self._signers(row, wanted.keys)
            new = {key.key.der: key for key in signers if key.key.der not in counted}
            counted.update(new)
            row.outcomes.append(_outcome(words, reason, signers, tuple(new.values()), wanted.keys))
        met = len(counted) >= wanted.threshold
        return Finding(bound.policy, bound.rule.scope, words, met, tuple(counted.values()))

    def _require(self, bound: BoundRule, wanted: Require) -> Finding:
        words = f"{short_type(wanted.predicate_type)} by {_names(wanted.by)}"
        words += f" from the builder {wanted.builder}" if wanted.builder else ""
        counted: dict[bytes, NamedKey] = {}
        for row in self._rows:
            reason = self._unfit(row.claim, bound)
            if reason is None and row.claim.predicate_type != wanted.predicate_type:
                reason = f"is of another type, {row.claim.label}"
            signers = () if reason else self._signers(row, wanted.by)
            if signers and wanted.builder and (builder := _builder(row.claim)) != wanted.builder:
                reason = f"names the builder {builder!r}, asked for is {wanted.builder!r}"
                signers = ()
            counted.update({key.key.der: key for key in signers})
            row.outcomes.append(_outcome(words, reason, signers, signers, wanted.by))
        signed = tuple(counted.values())
        return Finding(bound.policy, bound.rule.scope, words, bool(signed), signed, wanted.builder)

    def _unfit(self, claim: Claim, bound: BoundRule) -> str | None:
        """Why a claim cannot count whoever signed it; None where it can."""
        if isinstance(claim.proof, Envelope) and claim.proof.payload_type != IN_TOTO:
            return f"holds {claim.proof.payload_type!r}, not an in-toto statement"
        if not any(claim.about(digest) for digest in self._digests):
            return f"is about another digest, {_list(map(str, claim.subjects)) or 'or about none'}"
        if claim.keyless:
            return KEYLESS
        return self._misnamed(claim, bound)

    def _misnamed(self, claim: Claim, bound: BoundRule) -> str | None:
        if bound.rule.signed_for is None:
            return None
        wanted = bound.rule.signed_for or ((bound.reference,) if bound.reference else ())
        names = claim.names(*self._digests)
        if {repository(name) for name in names} & {repository(name) for name in wanted}:
            return None
        return f"was signed for {_list(names) or 'no repository'}, asked for is {_list(wanted) or 'a name'}"

    def _signers(self, row: _Row, keys: Sequence[NamedKey]) -> tuple[NamedKey, ...]:
        found = tuple(key for key in keys if self._check(row.claim, key.key))
        row.signers.update({key.key.der: key for key in found})
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

    def _bases(self, rules: Sequence[BoundRule]) -> tuple[Standing, tuple[Base, ...]]:
        found = [item for row in self._rows if (item := _trusted_provenance(row)) is not None]
        if not found:
            return "unknown", ()
        standings = [_standing(item) for item in found]
        return weakest(standings), tuple(base for item in found for base in _bases(item))

    def _candidates(self) -> tuple[Candidate, ...]:
        claims = [
            Candidate(
                row.claim.place,
                row.claim.kind,
                row.claim.label,
                tuple(row.outcomes),
                row.claim.statement,
                tuple(row.signers.values()),
            )
            for row in self._rows
        ]
        others = [
            Candidate(item.place, item.kind, item.kind, (Outcome("any", False, item.reason),))
            for item in self._gathering.others
        ]
        return (*claims, *others)


def _trusted_provenance(row: _Row) -> Provenance | None:
    statement = row.claim.statement
    if not row.signers or statement is None or statement.predicate_type != PROVENANCE:
        return None
    try:
        return Provenance.parse(statement)
    except DocumentError:
        return None


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
        return Outcome(requirement, True, f"signed by {_list(map(str, new))}")
    if signers:
        return Outcome(requirement, False, f"signed by {_list(map(str, signers))}, who counted already")
    prehashed = ED25519PH if any(key.key.kind == "Ed25519" for key in keys) else ""
    return Outcome(requirement, False, f"signed by none of {_names(keys)}{prehashed}")


def _builder(claim: Claim) -> str | None:
    """builder.id of a provenance; None where it names none."""
    if claim.statement is None:
        return None
    try:
        if claim.predicate_type == PROVENANCE_V02:
            return Fields(dict(claim.statement.predicate), "provenance").fields("builder").text("id")
        return Provenance.parse(claim.statement).builder_id
    except DocumentError:
        return None


def _standing(provenance: Provenance) -> Standing:
    try:
        return provenance.base_standing
    except DocumentError:
        return "unknown"


def _bases(provenance: Provenance) -> tuple[Base, ...]:
    try:
        return provenance.bases
    except DocumentError:
        return ()


def _count(threshold: int) -> str:
    return "a signature" if threshold == 1 else f"{threshold} signatures"


def _names(keys: Sequence[NamedKey]) -> str:
    return " or ".join(repr(key.name) for key in keys)


def _list(words: Iterable[str]) -> str:
    return ", ".join(words)
