"""How a judgement that does not end in a verdict ends. Three failures stay three.

::

    GateError
    ├── RefusedError           evidence there was, or a rule, and it does not suffice (exit 3)
    ├── NoAttestationError     nothing was found to judge by (exit 4)
    └── UncheckableError       not everything could be looked at, so nobody knows (exit 5)
"""

from __future__ import annotations

from lading.store.errors import LadingError
from lading.verify.judgement.decision import EXIT_CODES, Candidate, Decision, Ending


class RejectedError(LadingError):
    """No rule covers a name, or one rejects it; the words say which. Nothing was looked at yet."""

    exit_code = 3


class GateError(LadingError):
    """No verdict. `decision` has everything that was looked at."""

    outcome: Ending

    def __init__(self, message: str, decision: Decision, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.decision = decision

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Every piece of evidence, each with the reason why it did or did not count."""
        return self.decision.candidates


class RefusedError(GateError):
    """The image does not meet the policy, or a rule rejects it."""

    outcome = "refused"
    exit_code = EXIT_CODES[outcome]


class NoAttestationError(GateError):
    """Nothing is attached to the image that could be judged."""

    outcome = "no_attestation"
    exit_code = EXIT_CODES[outcome]


class UncheckableError(GateError):
    """Evidence could not be listed or read, and what could be read does not suffice."""

    outcome = "uncheckable"
    exit_code = EXIT_CODES[outcome]
