"""A decision at a glance: for each scope that was asked, what is there, what is missing, and who did sign.

`Decision.explain` has every piece of evidence; this is what a person reads first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePath
from typing import Final

from lading.store.fastclass import dataclass
from lading.store.system.patterns import pattern
from lading.verify.judgement.applicable_rules import FROM
from lading.verify.judgement.decision import Candidate, Decision
from lading.verify.policy.requirements.finding import Finding
from lading.verify.policy.requirements.phrases import listed

_SHOWN: Final = 3
"""Different reasons of one missing thing."""

_DIGEST: Final = pattern(r"sha256:([0-9a-f]{12})[0-9a-f]{52}")


@dataclass(frozen=True, slots=True)
class RequirementRow:
    """One requirement. `where` is the scope and its policy, as ``default (policy.yaml)``."""

    where: str
    met: bool
    text: str


def rows(decision: Decision) -> list[RequirementRow]:
    """Scope by scope, those first of which something is missing."""
    places = {finding.policy.removeprefix(FROM) for finding in decision.findings}
    ambiguous = len({PurePath(place).name for place in places}) < len(places)
    found = [_row(decision, finding, whole=ambiguous) for finding in decision.findings]
    failing = {row.where for row in found if not row.met}
    return sorted(found, key=lambda row: row.where not in failing)


def headline(decision: Decision) -> str:
    """The outcome, and by which scope: what stands behind the image's name."""
    where = next((row.where for row in rows(decision) if not row.met or decision.accepted), "")
    match decision.outcome:
        case "accepted":
            return f"accepted by scope {where}" if where else "accepted"
        case "refused":
            return f"refused by scope {where}" if where else f"refused: {decision.reason}"
        case "no_attestation":
            return f"refused by scope {where}: nothing is attached that could be judged"
        case "uncheckable":
            return decision.reason


def _row(decision: Decision, finding: Finding, *, whole: bool) -> RequirementRow:
    file = finding.policy.removeprefix(FROM)
    section = "from, " if file != finding.policy else ""
    policy = section + (file if whole else PurePath(file).name)
    text = _asked(finding) if finding.met else f"{_asked(finding)}: {_instead(decision, finding)}"
    return RequirementRow(f"{finding.scope} ({policy})", finding.met, text)


def _asked(finding: Finding) -> str:
    """``signature by 'release'``: once it is met, by those who did sign."""
    if finding.met and finding.parts:
        return "; ".join(_asked(part) for part in finding.parts if part.met)
    words = finding.requirement.removeprefix("a ")
    if finding.met and " by " in words:
        words = f"{words.partition(' by ')[0]} by {' and '.join(sorted(repr(key.name) for key in finding.signers))}"
    return words.replace("https://in-toto.io/attestation/", "in-toto ")


def _instead(decision: Decision, finding: Finding) -> str:
    """What there is in the place of what is missing."""
    reasons = Counter(
        reason
        for candidate in decision.candidates
        if finding.kinds & {candidate.kind, candidate.label}
        for reason in _reasons(candidate, finding)
    )
    broken = sum(candidate.kind == "malformed" for candidate in decision.candidates)
    words = [_counted(number, reason) for reason, number in reasons.most_common(_SHOWN)]
    if finding.signers:
        words.insert(0, f"signed only by {listed(repr(key.name) for key in finding.signers)}")
    if len(reasons) > _SHOWN:
        words.append("and others")
    if broken:
        words.append(f"{broken} cannot be read")
    return "; ".join(words) or "none is attached"


def _reasons(candidate: Candidate, finding: Finding) -> Iterator[str]:
    for outcome in candidate.outcomes:
        if outcome.requirement != finding.requirement or outcome.counted:
            continue
        if not outcome.foreign:
            yield "but it " + _DIGEST.sub(r"\1", outcome.reason)
        elif candidate.trusted_by:
            yield f"signed by {listed(repr(key.name) for key in candidate.trusted_by)}"
        else:
            yield "signed by a key this policy does not name"


def _counted(number: int, reason: str) -> str:
    if number == 1:
        return f"1 is attached, {reason}"
    return f"{number} are attached, {reason.replace('but it ', 'but each ', 1)}"
