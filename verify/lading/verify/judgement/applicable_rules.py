"""Finds the rules that an image is judged by: every policy's, for every name and origin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from lading.store.fastclass import dataclass
from lading.store.oci.digests import Digest
from lading.verify.judgement.errors import RejectedError
from lading.verify.policy.policy import Policy, Rule
from lading.verify.policy.requirements.subject_image import SubjectImage
from lading.verify.policy.scopes import is_full

Find = Callable[[Policy, str | None], Rule | None]


FROM: Final = "the from section of "
"""Stands before the name of a policy where its section on bases is meant."""


@dataclass(frozen=True, slots=True)
class BoundRule:
    """A rule, the policy it stands in, and the reference it was found for (None: the image has none)."""

    rule: Rule
    policy: str
    reference: str | None

    def subject(self, digests: tuple[Digest, ...]) -> SubjectImage:
        """The image as this rule asks about it."""
        own = (self.reference,) if self.reference else ()
        return SubjectImage(digests, None if self.rule.signed_for is None else self.rule.signed_for or own)


def bind(
    references: Sequence[str | None], policies: Sequence[Policy], find: Find, section: str = ""
) -> list[BoundRule]:
    """Each rule once. Raises `RejectedError`, before anything is read or asked of anybody."""
    found: dict[tuple[int, str | None], BoundRule] = {}
    for policy, reference, rule in lookup(references, policies, find):
        source = section + policy.source
        if reference is not None and not is_full(reference):
            raise RejectedError(f"{reference!r} is not a full reference, so no scope could be found for it")
        if rule is None:
            raise RejectedError(f"no scope of {source} covers {reference or 'an image without a name'}")
        if rule.reject:
            raise RejectedError(f"scope {rule.scope!r} of {source} rejects {reference or 'it'}")
        by_name = reference if rule.signed_for == () else None
        found.setdefault((id(rule), by_name), BoundRule(rule, source, reference))
    return list(found.values())


def lookup(
    references: Sequence[str | None], policies: Sequence[Policy], find: Find
) -> Iterator[tuple[Policy, str | None, Rule | None]]:
    """What every policy has for every reference."""
    for policy in policies:
        for reference in references:
            yield policy, reference, find(policy, reference)
