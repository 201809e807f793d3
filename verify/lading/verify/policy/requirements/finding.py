"""What came of holding a requirement against the evidence."""

from __future__ import annotations

from lading.store.fastclass import dataclass, replace
from lading.verify.keys.named_key import NamedKey


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one requirement made of one claim. `foreign`: all of it fits but who signed. `signers`: who counted."""

    requirement: str
    counted: bool
    reason: str
    foreign: bool = False
    signers: tuple[NamedKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether a requirement is met and by whom, with one outcome for each claim, in the order of the claims.

    `requirement` is what was asked for, in words. `kind`: signature, or the type of the attestation; empty for one
    made of `parts`. `policy` and `scope` say where it is asked for; the judge fills them in.
    """

    requirement: str
    kind: str
    met: bool
    signers: tuple[NamedKey, ...]
    outcomes: tuple[Outcome, ...]
    builder: str | None = None
    parts: tuple[Finding, ...] = ()
    policy: str = ""
    scope: str = ""

    @property
    def kinds(self) -> frozenset[str]:
        """Of all its parts."""
        return frozenset(kind for part in self.parts for kind in part.kinds) or frozenset((self.kind,))

    def within(self, policy: str, scope: str) -> Finding:
        """The same, as asked for by a scope of a policy."""
        return replace(self, policy=policy, scope=scope)

    def json(self) -> dict[str, object]:
        """For the record."""
        return {
            "policy": self.policy,
            "scope": self.scope,
            "requirement": self.requirement,
            "met": self.met,
            "signers": [key.json() for key in self.signers],
            "builder": self.builder,
        }

    def __str__(self) -> str:
        where = f"scope {self.scope!r} of {self.policy}"
        if self.met:
            return f"{self._proof()}, as {where} asks"
        found = f"; found only {self._by()}" if self.signers else ""
        return f"missing: {self.requirement}, which {where} asks for{found}"

    def _proof(self) -> str:
        if self.parts:
            return "; ".join(part._proof() for part in self.parts if part.met)
        if self.kind == "signature":
            return f"signed by {self._by()}"
        built = f", built by {self.builder!r}" if self.builder else ""
        return f"{self.kind} attested by {self._by()}{built}"

    def _by(self) -> str:
        return " and ".join(map(str, self.signers))
