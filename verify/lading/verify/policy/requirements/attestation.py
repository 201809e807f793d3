"""``require``: attestations of a type, by one of some keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lading.store.errors import DocumentError, LadingError
from lading.store.fastclass import dataclass
from lading.store.oci.json import Fields
from lading.verify.documents.statements import PROVENANCE, PROVENANCE_V02, predicate_type, short_type
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

ISOLATIONS: Final = ("oci", "rootless", "chroot")
"""Under which steps can be executed, the weakest last."""
_WEAKEST: Final = "chroot"
_NOTHING_EXECUTED: Final = "none"


@dataclass(frozen=True, slots=True)
class AttestationRequirement:
    """An attestation of a type, signed by one of `keys`; from `builder` where that is given.

    Of a provenance may also be asked under which of the `isolations` the steps of the build were executed. One whose
    key was in reach of them (``keyExposed``) meets that only where the weakest, ``chroot``, is among these.
    """

    predicate_type: str
    keys: tuple[NamedKey, ...]
    builder: str | None = None
    isolations: tuple[str, ...] = ()

    member = "require"

    @property
    def words(self) -> str:
        """What is asked for."""
        builder = f" from the builder {self.builder!r}" if self.builder else ""
        isolation = f" with steps under {' or '.join(self.isolations)}" if self.isolations else ""
        return f"{short_type(self.predicate_type)} by {either(self.keys)}{builder}{isolation}"

    def canonical(self) -> dict[str, object]:
        """As JSON."""
        isolation = {"isolation": list(self.isolations)} if self.isolations else {}
        by = [key.canonical() for key in self.keys]
        return {"type": self.predicate_type, "by": by, "builder": self.builder, **isolation}

    def evaluate(self, evidence: ClaimSet, subject: SubjectImage) -> Finding:
        """Every claim of the type counts that one of the keys signed."""
        weighed = zip(evidence, weigh(self, evidence, subject, self._unmet), strict=True)
        outcomes = tuple(self._isolated(claim, self._by_builder(claim, outcome)) for claim, outcome in weighed)
        signers, kind = each_once(outcomes), short_type(self.predicate_type)
        return Finding(self.words, kind, bool(signers), signers, outcomes, self.builder)

    def _unmet(self, claim: Claim) -> str | None:
        return None if claim.predicate_type == self.predicate_type else f"is of another type, {claim.label}"

    def _by_builder(self, claim: Claim, outcome: Outcome) -> Outcome:
        """Compared only once the signer is one of those asked for: before, anybody could have written it."""
        if not outcome.counted or self.builder is None or (found := _builder(claim)) == self.builder:
            return outcome
        return Outcome(self.words, False, f"names the builder {found!r}, asked for is {self.builder!r}")

    def _isolated(self, claim: Claim, outcome: Outcome) -> Outcome:
        if not outcome.counted or not self.isolations:
            return outcome
        found, exposed = _isolation(claim)
        if exposed and _WEAKEST not in self.isolations:
            return Outcome(self.words, False, "says that its steps could reach the signing key")
        if found in (*self.isolations, _NOTHING_EXECUTED):
            return outcome
        return Outcome(self.words, False, f"has steps under {found!r}, asked for is {' or '.join(self.isolations)}")


def _isolation(claim: Claim) -> tuple[object, bool]:
    """That of the steps, and whether these could reach the key; None where a provenance says nothing of it."""
    if claim.statement is None:
        return None, True
    from lading.verify.documents.provenance import Provenance  # noqa: PLC0415 - only where there is one

    try:
        internal = Provenance.parse(claim.statement).internal
    except DocumentError:
        return None, True
    return internal.get("isolation"), internal.get("keyExposed") is True


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


class AttestationFormat:
    """How they stand in a policy's texts."""

    section = "require"

    def read(
        self, value: Value, keys: KeyReader, before: tuple[NamedKey, ...] = ()
    ) -> tuple[AttestationRequirement, ...]:
        """From YAML; whoever the signatures are asked of signs these too, where nobody else is named."""
        return value.each(lambda item: _read(item, keys, before))

    def load(self, rule: Fields) -> tuple[AttestationRequirement, ...]:
        """From a compiled rule."""
        return rule.each(AttestationRequirement.member, _load)


def _read(value: Value, keys: KeyReader, signers: tuple[NamedKey, ...]) -> AttestationRequirement:
    section = value.section("type", "builder", "isolation", "by")
    uri = section.need("type", _predicate_type)
    builder = section.get("builder", lambda text: text.text())
    if builder is not None and uri not in (PROVENANCE, PROVENANCE_V02):
        raise value.error("builder has a meaning for provenance only")
    isolations = section.get("isolation", lambda item: item.each(_one_isolation)) or ()
    if isolations and uri != PROVENANCE:
        raise value.error("isolation has a meaning for provenance (slsaprovenance1) only")
    by = section.get("by", keys.listed) or signers
    if not by:
        raise value.error("nobody could sign it", hint="name keys with `by`, or give the scope signed_by")
    return AttestationRequirement(uri, by, builder, isolations)


def _one_isolation(value: Value) -> str:
    text = value.text()
    if text not in ISOLATIONS:
        raise value.error(f"{text!r} is none of {', '.join(ISOLATIONS)}")
    return text


def _predicate_type(value: Value) -> str:
    try:
        return predicate_type(value.text())
    except LadingError as error:
        raise value.error(error.message, error.hint) from None


def _load(value: object, where: str) -> AttestationRequirement:
    fields = Fields(value, where)
    wanted = AttestationRequirement(
        fields.text("type"),
        fields.each("by", NamedKey.parse),
        fields.optional_text("builder"),
        fields.strings("isolation") if "isolation" in fields else (),
    )
    fields.close()
    return wanted
