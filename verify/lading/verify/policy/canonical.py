"""A policy as canonical JSON: what its digest is of, and what a launch can read sooner than YAML."""

from __future__ import annotations

from collections.abc import Mapping

from lading.store.errors import DocumentError
from lading.store.oci.digests import Digest
from lading.store.oci.json import Fields, canonical, parse
from lading.verify.keys.encoding import decode64, encode64
from lading.verify.keys.keys import PublicKey
from lading.verify.policy.policy import VERSION, NamedKey, Policy, Require, Rule, SignedBy


def policy_digest(policy: Policy) -> Digest:
    """Of what the policy says, its keys included: neither layout nor comments nor file names matter."""
    return Digest.of(compile_policy(policy))


def compile_policy(policy: Policy) -> bytes:
    """The policy as canonical JSON with its keys, to be read again without YAML by `load_policy`."""
    value: dict[str, object | None] = {
        "version": VERSION,
        "scopes": _rules(policy.scopes),
        "from": _rules(policy.bases),
        "forbidUnverified": policy.forbid_unverified,
        "cache": None if policy.cache is None else _keys(policy.cache),
    }
    return canonical(value)


def load_policy(raw: bytes, what: str) -> Policy:
    """From `compile_policy`'s form. Whoever could have written it decides: never a floor's from a user's folder.

    Raises `DocumentError`.
    """
    fields = Fields(parse(raw, what), what)
    if fields.integer("version") != VERSION:
        raise DocumentError(f"{what}: compiled by another version")
    policy = Policy(
        what=what,
        scopes=_read_rules(fields, "scopes"),
        bases=_read_rules(fields, "from"),
        forbid_unverified=fields.boolean("forbidUnverified"),
        cache=fields.each("cache", _read_key) if "cache" in fields else None,
    )
    fields.any("cache")
    fields.close()
    return policy


def _rules(rules: Mapping[str, Rule] | None) -> dict[str, object] | None:
    return None if rules is None else {scope: _rule(rule) for scope, rule in rules.items()}


def _rule(rule: Rule) -> dict[str, object]:
    return {
        "reject": rule.reject,
        "signedBy": _signed_by(rule.signed_by) if rule.signed_by else None,
        "require": [_require(item) for item in rule.require],
        "signedFor": None if rule.signed_for is None else list(rule.signed_for),
        "allowUnverified": rule.allow_unverified,
    }


def _signed_by(wanted: SignedBy) -> dict[str, object]:
    return {
        "keys": _keys(wanted.keys),
        "threshold": wanted.threshold,
        "annotations": dict(wanted.annotations),
    }


def _require(wanted: Require) -> dict[str, object]:
    return {"type": wanted.predicate_type, "by": _keys(wanted.by), "builder": wanted.builder}


def _keys(keys: tuple[NamedKey, ...]) -> list[dict[str, str]]:
    return [{"name": item.name, "key": encode64(item.key.der)} for item in keys]


def _read_rules(fields: Fields, name: str) -> dict[str, Rule] | None:
    if name not in fields:
        fields.any(name)
        return None
    return {scope: _read_rule(scope, Fields(rule, scope)) for scope, rule in fields.mapping(name).items()}


def _read_rule(scope: str, fields: Fields) -> Rule:
    signed_by = fields.optional_fields("signedBy")
    rule = Rule(
        scope,
        reject=fields.boolean("reject"),
        signed_by=None if signed_by is None else _read_signed_by(signed_by),
        require=fields.each("require", _read_require),
        signed_for=fields.strings("signedFor") if "signedFor" in fields else None,
        allow_unverified=fields.boolean("allowUnverified"),
    )
    fields.any("signedFor")
    fields.close()
    return rule


def _read_signed_by(fields: Fields) -> SignedBy:
    keys, threshold = fields.each("keys", _read_key), fields.integer("threshold")
    if not 1 <= threshold <= len(keys):
        raise DocumentError(f"{fields.what}: a threshold of {threshold} with {len(keys)} keys")
    wanted = SignedBy(keys, threshold, fields.string_map("annotations"))
    fields.close()
    return wanted


def _read_require(value: object, what: str) -> Require:
    fields = Fields(value, what)
    wanted = Require(fields.text("type"), fields.each("by", _read_key), fields.optional_text("builder"))
    fields.close()
    return wanted


def _read_key(value: object, what: str) -> NamedKey:
    fields = Fields(value, what)
    return NamedKey(fields.text("name"), PublicKey.from_der(decode64(fields.text("key"), what), what))
