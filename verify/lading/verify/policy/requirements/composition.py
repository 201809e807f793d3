"""Several requirements as one: all of them, any, at least so many. Of none, none is met."""

from __future__ import annotations

from typing import Final

from lading.store.fastclass import dataclass
from lading.verify.evidence.claim_set import ClaimSet
from lading.verify.keys.named_key import NamedKey
from lading.verify.policy.requirements.finding import Finding, Outcome
from lading.verify.policy.requirements.requirement import Requirement
from lading.verify.policy.requirements.subject_image import SubjectImage

_NOTHING: Final = "nothing (so nothing is accepted)"


def all_of(*parts: Requirement) -> Composition:
    """Every part is met."""
    return Composition("allOf", len(parts), parts)


def any_of(*parts: Requirement) -> Composition:
    """A part is met."""
    return Composition("anyOf", 1, parts)


def at_least(count: int, *parts: Requirement) -> Composition:
    """So many parts are met; of less than one, that none is."""
    return Composition("atLeast", count, parts)


_QUANTITIES: Final = {"allOf": "all of", "anyOf": "any of", "atLeast": "at least {} of"}


@dataclass(frozen=True, slots=True)
class Composition:
    """A requirement that is met where `needed` of its `parts` are."""

    member: str
    needed: int
    parts: tuple[Requirement, ...]

    @property
    def words(self) -> str:
        """What is asked for."""
        if self.needed < 1 or not self.parts:
            return _NOTHING
        return f"{_QUANTITIES[self.member].format(self.needed)} ({'; '.join(part.words for part in self.parts)})"

    @property
    def keys(self) -> tuple[NamedKey, ...]:
        """Of all parts, each once."""
        return tuple(dict.fromkeys(key for part in self.parts for key in part.keys))

    def canonical(self) -> dict[str, object]:
        """As JSON."""
        return {"count": self.needed, "parts": [{part.member: part.canonical()} for part in self.parts]}

    def evaluate(self, evidence: ClaimSet, subject: SubjectImage) -> Finding:
        """Every part is evaluated, also once the outcome is known, so that each has its reasons."""
        parts = tuple(part.evaluate(evidence, subject) for part in self.parts)
        met = 1 <= self.needed <= sum(part.met for part in parts)
        by = dict.fromkeys(key for part in parts if part.met or not met for key in part.signers)
        words = self.words
        outcomes = tuple(_merged(words, [part.outcomes[at] for part in parts]) for at, _ in enumerate(evidence))
        return Finding(words, "", met, tuple(by), outcomes, parts=parts)


def _merged(words: str, outcomes: list[Outcome]) -> Outcome:
    """A claim counts for the whole where it counts for a part."""
    counted = any(outcome.counted for outcome in outcomes)
    reasons = dict.fromkeys(outcome.reason for outcome in outcomes if outcome.counted == counted)
    foreign = not counted and any(outcome.foreign for outcome in outcomes)
    signers = dict.fromkeys(key for outcome in outcomes for key in outcome.signers)
    return Outcome(words, counted, "; ".join(reasons) or "is asked for by nothing", foreign, tuple(signers))
