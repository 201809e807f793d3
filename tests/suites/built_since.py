"""A kind of requirement that the product does not have, as one would add it: a provenance not older than a date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lading.store.fastclass import dataclass
from lading.store.oci.json import Fields
from lading.verify.documents.provenance import Provenance
from lading.verify.documents.statements import PROVENANCE
from lading.verify.evidence.claim_set import ClaimSet
from lading.verify.evidence.claims import Claim
from lading.verify.keys.named_key import NamedKey
from lading.verify.policy.requirements.finding import Finding, Outcome
from lading.verify.policy.requirements.phrases import either
from lading.verify.policy.requirements.requirement import each_once, weigh
from lading.verify.policy.requirements.subject_image import SubjectImage

if TYPE_CHECKING:
    from lading.verify.policy.key_reader import KeyReader
    from lading.verify.policy.yaml_text import Value


@dataclass(frozen=True, slots=True)
class BuiltSinceRequirement:
    """The build was finished at `date` or later, as a provenance says that one of `keys` signed."""

    date: str
    keys: tuple[NamedKey, ...]

    member = "builtSince"

    @property
    def words(self) -> str:
        return f"provenance since {self.date} by {either(self.keys)}"

    def canonical(self) -> dict[str, object]:
        return {"date": self.date, "by": [key.canonical() for key in self.keys]}

    def evaluate(self, evidence: ClaimSet, subject: SubjectImage) -> Finding:
        weighed = zip(evidence, weigh(self, evidence, subject, _unmet), strict=True)
        outcomes = tuple(self._by_date(claim, outcome) for claim, outcome in weighed)
        signers = each_once(outcomes)
        return Finding(self.words, "slsaprovenance1", bool(signers), signers, outcomes)

    def _by_date(self, claim: Claim, outcome: Outcome) -> Outcome:
        assert not outcome.counted or claim.statement
        finished = Provenance.parse(claim.statement).finished if outcome.counted and claim.statement else None
        if not outcome.counted or (finished or "") >= self.date:
            return outcome
        return Outcome(self.words, False, f"was finished at {finished}, asked for is {self.date} or later")


def _unmet(claim: Claim) -> str | None:
    return None if claim.predicate_type == PROVENANCE else f"is of another type, {claim.label}"


class BuiltSinceFormat:
    section = "built_since"

    def read(self, value: Value, keys: KeyReader, before: tuple[NamedKey, ...]) -> tuple[BuiltSinceRequirement, ...]:
        section = value.section("date", "by")
        date = section.need("date", lambda item: item.text())
        return (BuiltSinceRequirement(date, section.get("by", keys.listed) or before),)

    def load(self, rule: Fields) -> tuple[BuiltSinceRequirement, ...]:
        return rule.each(BuiltSinceRequirement.member, _load)


def _load(value: object, where: str) -> BuiltSinceRequirement:
    fields = Fields(value, where)
    wanted = BuiltSinceRequirement(fields.text("date"), fields.each("by", NamedKey.parse))
    fields.close()
    return wanted
