"""A policy as canonical JSON: what its digest is of, and what a launch can read sooner than YAML."""

from __future__ import annotations

from collections.abc import Mapping

from lading.store.errors import DocumentError
from lading.store.oci.digests import Digest
from lading.store.oci.json import Fields, canonical, parse
from lading.verify.keys.named_key import NamedKey
from lading.verify.policy.policy import VERSION, Policy, Rule
from lading.verify.policy.requirements import requirement_kinds
from lading.verify.policy.requirements.attestation import AttestationRequirement
from lading.verify.policy.requirements.signature import SignatureRequirement


def policy_digest(policy: Policy) -> Digest:
    """Of what the policy says, its keys included: neither layout nor comments nor file names matter."""
    return Digest.of(_written(policy))


def compile_policy(policy: Policy) -> bytes:
    """The policy as canonical JSON with its keys, to be read again without YAML by `load_policy`.

    Raises `DocumentError` for what that would not read as the same: a rule that only a program could have put together.
    """
    raw = _written(policy)
    if _written(load_policy(raw, policy.source)) != raw:
        raise DocumentError(f"{policy.source}: compiled, it would read as another")
    return raw


def _written(policy: Policy) -> bytes:
    value: dict[str, object | None] = {
        "version": VERSION,
        "scopes": _rules(policy.scopes),
        "from": _rules(policy.bases),
        "forbidUnverified": policy.forbid_unverified,
        "cache": None if policy.cache is None else [key.canonical() for key in policy.cache],
    }
    return canonical(value)


def load_policy(raw: bytes, source: str) -> Policy:
    """From `compile_policy`'s form. Whoever could have written it decides: never a floor's from a user's folder.

    Raises `DocumentError`.
    """
    fields = Fields(parse(raw, source), source)
    if fields.integer("version") != VERSION:
        raise DocumentError(f"{source}: compiled by another version")
    policy = Policy(
        source=source,
        scopes=_read_rules(fields, "scopes"),
        bases=_read_rules(fields, "from"),
        forbid_unverified=fields.boolean("forbidUnverified"),
        cache=fields.each("cache", NamedKey.parse) if "cache" in fields else None,
    )
    fields.any("cache")
    fields.close()
    return policy


def _rules(rules: Mapping[str, Rule] | None) -> dict[str, object] | None:
    return None if rules is None else {scope: _rule(rule) for scope, rule in rules.items()}


def _rule(rule: Rule) -> dict[str, object]:
    return {
        "reject": rule.reject,
        **_requirements(rule),
        "signedFor": None if rule.signed_for is None else list(rule.signed_for),
        "allowUnverified": rule.allow_unverified,
    }


def _requirements(rule: Rule) -> dict[str, object]:
    """The two members that always stood in a rule stand there still; of other kinds, those that it asks for."""
    asked: dict[str, list[object]] = {SignatureRequirement.member: [], AttestationRequirement.member: []}
    for item in rule.requirements:
        asked.setdefault(item.member, []).append(item.canonical())
    signatures = asked.pop(SignatureRequirement.member)
    return {SignatureRequirement.member: signatures if len(signatures) > 1 else next(iter(signatures), None), **asked}


def _read_rules(fields: Fields, name: str) -> dict[str, Rule] | None:
    if name not in fields:
        fields.any(name)
        return None
    return {scope: _read_rule(scope, Fields(rule, scope)) for scope, rule in fields.mapping(name).items()}


def _read_rule(scope: str, fields: Fields) -> Rule:
    rule = Rule(
        scope,
        reject=fields.boolean("reject"),
        requirements=tuple(item for kind in requirement_kinds.FORMATS for item in kind.load(fields)),
        signed_for=fields.strings("signedFor") if "signedFor" in fields else None,
        allow_unverified=fields.boolean("allowUnverified"),
    )
    fields.any("signedFor")
    fields.close()
    return rule
