"""``signed_by``: signatures by so many of some keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass, field
from lading.store.oci.json import Fields
from lading.verify.evidence.claim_set import ClaimSet
from lading.verify.evidence.claims import Claim
from lading.verify.keys.named_key import NamedKey
from lading.verify.policy.requirements.finding import Finding, Outcome
from lading.verify.policy.requirements.phrases import either, listed
from lading.verify.policy.requirements.requirement import counted, each_once, weigh
from lading.verify.policy.requirements.subject_image import SubjectImage

if TYPE_CHECKING:
    from lading.verify.policy.key_reader import KeyReader
    from lading.verify.policy.yaml_text import Value


@dataclass(frozen=True, slots=True)
class SignatureRequirement:
    """At least `threshold` of `keys` have signed, each counted once, with at least these annotations.

    A threshold below one is met by nobody.
    """

    keys: tuple[NamedKey, ...]
    threshold: int = 1
    annotations: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)

    member = "signedBy"

    @property
    def words(self) -> str:
        """What is asked for."""
        count = "a signature" if self.threshold == 1 else f"signatures of {self.threshold} keys"
        notes = listed(f"{name}={value}" for name, value in self.annotations.items())
        return f"{count} by {either(self.keys)}" + (f" with {notes}" if notes else "")

    def canonical(self) -> dict[str, object]:
        """As JSON."""
        keys = [key.canonical() for key in self.keys]
        return {"keys": keys, "threshold": self.threshold, "annotations": dict(self.annotations)}

    def evaluate(self, evidence: ClaimSet, subject: SubjectImage) -> Finding:
        """A key counts with the first claim that it signed."""
        outcomes = _first_of_each(weigh(self, evidence, subject, lambda claim: self._unmet(claim, subject)))
        signers = each_once(outcomes)
        return Finding(self.words, "signature", 1 <= self.threshold <= len(signers), signers, outcomes)

    def _unmet(self, claim: Claim, subject: SubjectImage) -> str | None:
        if claim.kind != "signature":
            return f"is an attestation ({claim.label}); signed_by counts only signatures"
        notes = subject.annotations(claim)
        missing = [f"{name}={value}" for name, value in self.annotations.items() if notes.get(name) != value]
        return f"lacks the annotation {listed(missing)}" if missing else None


def _first_of_each(outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    seen: set[bytes] = set()
    found: list[Outcome] = []
    for outcome in outcomes:
        new = tuple(key for key in outcome.signers if key.key.der not in seen)
        seen.update(key.key.der for key in new)
        found.append(_with(outcome, new) if outcome.counted else outcome)
    return tuple(found)


def _with(outcome: Outcome, new: tuple[NamedKey, ...]) -> Outcome:
    if new:
        return counted(outcome.requirement, new)
    return Outcome(outcome.requirement, False, f"{outcome.reason}, counted already")


class SignatureFormat:
    """How it stands in a policy's texts."""

    section = "signed_by"

    def read(self, value: Value, keys: KeyReader, before: tuple[NamedKey, ...] = ()) -> tuple[SignatureRequirement]:
        """From YAML."""
        section = value.section("keys", "threshold", "annotations")
        wanted = section.need("keys", keys.listed)
        threshold = section.get("threshold", lambda number: number.integer())
        threshold = 1 if threshold is None else threshold
        if not 1 <= threshold <= len(wanted):
            raise value.error(f"a threshold of {threshold} cannot be met by {len(wanted)} keys, or means nothing")
        return (SignatureRequirement(wanted, threshold, section.get("annotations", _annotations) or {}),)

    def load(self, rule: Fields) -> tuple[SignatureRequirement, ...]:
        """From a compiled rule."""
        if (fields := rule.optional_fields(SignatureRequirement.member)) is None:
            return ()
        keys, threshold = fields.each("keys", NamedKey.parse), fields.integer("threshold")
        if not 1 <= threshold <= len(keys):
            raise DocumentError(f"{fields.source}: a threshold of {threshold} with {len(keys)} keys")
        wanted = SignatureRequirement(keys, threshold, fields.string_map("annotations"))
        fields.close()
        return (wanted,)


def _annotations(value: Value) -> dict[str, str]:
    return {name: item.text() for name, item in value.section()}
