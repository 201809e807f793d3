"""What every kind of requirement keeps to.

A kind is one file here: the noun that can be evaluated, and its format in the texts of a policy, which a line of
`formats` names. Several are made into one by `composition`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from lading.verify.evidence.claim_set import ClaimSet
from lading.verify.evidence.claims import Claim
from lading.verify.keys.named_key import NamedKey
from lading.verify.policy.requirements.finding import Finding, Outcome
from lading.verify.policy.requirements.phrases import either, listed
from lading.verify.policy.requirements.subject_image import SubjectImage

_ED25519PH: Final = "; of Ed25519 only the pure form is accepted, not Ed25519ph, which cosign makes"


class Requirement(Protocol):
    """Something that a rule asks for. Frozen data; evaluating reads nothing and decides nothing else."""

    @property
    def member(self) -> str:
        """Under which name `canonical` stands in a compiled rule."""
        ...

    @property
    def words(self) -> str:
        """What is asked for, and by whom behind the word "by"."""
        ...

    @property
    def keys(self) -> tuple[NamedKey, ...]:
        """Every key that it trusts for something."""
        ...

    def canonical(self) -> Mapping[str, object]:
        """The whole of it as JSON: the digest of a policy is of this."""
        ...

    def evaluate(self, evidence: ClaimSet, subject: SubjectImage) -> Finding:
        """Holds every claim against it, so that each has its reason for the record."""
        ...


def weigh(
    requirement: Requirement, evidence: ClaimSet, subject: SubjectImage, unmet: Callable[[Claim], str | None]
) -> list[Outcome]:
    """The outcome for each claim: it is about the subject, nothing is `unmet`, and one of the keys signed it.

    Where every kind begins. From this it may only take away; what does not count here counts for nothing.
    """
    words = requirement.words
    return [
        _outcome(words, requirement.keys, evidence, claim, subject.unfit(claim) or unmet(claim)) for claim in evidence
    ]


def _outcome(words: str, keys: Sequence[NamedKey], evidence: ClaimSet, claim: Claim, reason: str | None) -> Outcome:
    if reason is not None:
        return Outcome(words, False, reason)
    if signers := evidence.signers(claim, keys):
        return counted(words, signers)
    return Outcome(words, False, _signed_by_none(keys), foreign=True)


def counted(words: str, signers: tuple[NamedKey, ...]) -> Outcome:
    """The outcome that counts."""
    return Outcome(words, True, f"signed by {listed(signers)}", signers=signers)


def each_once(outcomes: Sequence[Outcome]) -> tuple[NamedKey, ...]:
    """All signers who counted, a key under two names once, by the last of them."""
    return tuple({key.key.der: key for outcome in outcomes for key in outcome.signers}.values())


def _signed_by_none(keys: Sequence[NamedKey]) -> str:
    prehashed = _ED25519PH if any(key.key.kind == "Ed25519" for key in keys) else ""
    return f"is not signed by {either(keys)}{prehashed}"
