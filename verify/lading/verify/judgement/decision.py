"""A judgement on record: what was asked for, what was looked at, and why each thing counted or did not."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Final, Literal

from lading.store.fastclass import dataclass
from lading.store.oci.digests import Digest
from lading.verify.documents.bases import Base, BaseStatus
from lading.verify.documents.statements import Statement
from lading.verify.evidence.claims import EvidenceLocation
from lading.verify.keys.named_key import NamedKey
from lading.verify.policy.requirements.finding import Finding, Outcome

Basis = Literal["policy", "override"]
Ending = Literal["accepted", "refused", "no_attestation", "uncheckable"]

EXIT_CODES: Final[Mapping[Ending, int]] = {"accepted": 0, "refused": 3, "no_attestation": 4, "uncheckable": 5}
"""Of `lading verify`."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One piece of evidence. `kind`: signature, attestation, dag, malformed or other.

    `trusted_by`: the keys of the policy that signed it; the statement is merely present where there is none.
    """

    location: EvidenceLocation
    kind: str
    label: str
    outcomes: tuple[Outcome, ...]
    statement: Statement | None = None
    trusted_by: tuple[NamedKey, ...] = ()

    @property
    def counted(self) -> bool:
        """Whether any requirement was met with it."""
        return any(outcome.counted for outcome in self.outcomes)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it counted, or why not, each reason once."""
        return tuple(dict.fromkeys(item.reason for item in self.outcomes if item.counted == self.counted))

    def json(self) -> dict[str, object]:
        """For the record."""
        return {
            "digest": str(self.location.manifest),
            "source": self.location.source,
            "subject": str(self.location.subject),
            "kind": self.kind,
            "type": self.label,
            "counted": self.counted,
            "signers": [key.json() for key in self.trusted_by],
            "outcomes": [
                {"requirement": item.requirement, "counted": item.counted, "reason": item.reason}
                for item in self.outcomes
            ],
        }

    def __str__(self) -> str:
        verb = "counts" if self.counted else "does not count"
        return f"{self.label} {self.location.manifest} ({self.location.source}) {verb}: {'; '.join(self.reasons)}"


@dataclass(frozen=True, slots=True)
class Decision:
    """The whole of it. `time` is in seconds since the epoch; `reason` says in one line why not, or why anyway."""

    outcome: Ending
    basis: Basis
    manifest: Digest
    index: Digest | None
    platform: str | None
    names: tuple[str, ...]
    origins: tuple[str, ...]
    policy: Digest
    floor: Digest | None
    time: float
    findings: tuple[Finding, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    errors: tuple[str, ...] = ()
    bases: tuple[Base, ...] = ()
    base_status: BaseStatus = "unknown"
    reason: str = ""

    @property
    def accepted(self) -> bool:
        """Whether it may run."""
        return self.outcome == "accepted"

    @property
    def evidence(self) -> tuple[Digest, ...]:
        """The manifests of what counted, each once."""
        return tuple(dict.fromkeys(item.location.manifest for item in self.candidates if item.counted))

    @property
    def title(self) -> str:
        """The image in words: its first name, or its digest."""
        return self.names[0] if self.names else str(self.index or self.manifest)

    def json(self) -> dict[str, object]:
        """For the record and for programs."""
        return {
            "version": 1,
            "outcome": self.outcome,
            "exit_code": EXIT_CODES[self.outcome],
            "accepted": self.accepted,
            "basis": self.basis,
            "manifest": str(self.manifest),
            "index": None if self.index is None else str(self.index),
            "platform": self.platform,
            "names": list(self.names),
            "origins": list(self.origins),
            "policy": str(self.policy),
            "floor": None if self.floor is None else str(self.floor),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.time)),
            "requirements": [finding.json() for finding in self.findings],
            "candidates": [candidate.json() for candidate in self.candidates],
            "troubles": list(self.errors),
            "baseStanding": self.base_status,
            "bases": [{"reference": base.reference, "standing": base.status} for base in self.bases],
            "reason": self.reason,
        }

    def explain(self) -> Iterator[str]:
        """What is proven and by whom, or what is missing, in plain words, line by line."""
        through = f", reached through the index {self.index}" if self.index else ""
        yield f"{self.title}: the manifest {self.manifest}{through}" + (
            f", for {self.platform}" if self.platform else ""
        )
        if self.basis == "override":
            yield f"NOT VERIFIED: let through on demand ({self.reason}); nothing is proven"
            return
        for finding in self.findings:
            yield str(finding)
        if self.accepted:
            yield from self.explain_bases()
        else:
            yield from map(str, self.candidates)
            yield from self.errors

    def explain_bases(self) -> Iterator[str]:
        """What is known of the images that it stands on."""
        weak = [base.reference for base in self.bases if base.status not in ("verified", "none")]
        match self.base_status:
            case "none":
                yield "stands on no base image: every layer was made by this build"
            case "verified":
                yield "every base image was accepted by key when it was built"
            case "unverified":
                yield f"stands on a base that nobody vouched for: {', '.join(weak)}"
            case "unknown":
                yield "nothing trusted says which base images it stands on, or how far they were checked"
