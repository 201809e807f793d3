"""Finds the rules that an image is judged by: every policy's, for every name and origin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lading.verify.judging import BoundRule
from lading.verify.policy import Policy, Rule
from lading.verify.scopes import is_full
from lading.verify.targets import Target

Find = Callable[[Policy, str | None], Rule | None]


class RejectedError(Exception):
    """No rule covers the image, or one rejects it; the words say which."""


def bind(target: Target, policies: Sequence[Policy], find: Find) -> list[BoundRule]:
    """Each rule once. Raises `RejectedError`, before anything is read or asked of anybody."""
    found: dict[tuple[int, str | None], BoundRule] = {}
    for policy, reference, rule in lookup(target, policies, find):
        if reference is not None and not is_full(reference):
            raise RejectedError(f"{reference!r} is not a full reference, so no scope could be found for it")
        if rule is None:
            raise RejectedError(f"no scope of {policy.what} covers {reference or 'an image without a name'}")
        if rule.reject:
            raise RejectedError(f"scope {rule.scope!r} of {policy.what} rejects {reference or 'it'}")
        by_name = reference if rule.signed_for == () else None
        found.setdefault((id(rule), by_name), BoundRule(rule, policy.what, reference))
    return list(found.values())


def lookup(target: Target, policies: Sequence[Policy], find: Find) -> Iterator[tuple[Policy, str | None, Rule | None]]:
    """What every policy has for every reference."""
    for policy in policies:
        for reference in target.references:
            yield policy, reference, find(policy, reference)
