"""From the YAML of a policy to a `Policy`: names resolved, keys loaded, contradictions refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from lading.store.errors import LadingError
from lading.store.system.patterns import pattern
from lading.verify.documents.statements import PROVENANCE, PROVENANCE_V02, predicate_type
from lading.verify.keys.keys import PublicKey
from lading.verify.policy.policy import VERSION, NamedKey, Policy, PolicyError, Require, Rule, SignedBy
from lading.verify.policy.scopes import components, why_empty
from lading.verify.policy.yaml_text import Section, Value, YamlError, load

Read = Callable[[str], bytes]

_RULE: Final = ("signed_by", "require", "signed_for", "reject")
_KEY_NAME: Final = pattern(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")
_PEM: Final = "-----BEGIN"


def parse_policy(text: str, what: str, read: Read | None = None) -> Policy:
    """From YAML. `read` gives the content of a key file named in it, relative to the policy's own place.

    Raises `PolicyError` with file and line.
    """
    try:
        return _Reader(what, read).policy(load(text, what))
    except YamlError as error:
        raise PolicyError(str(error), hint=error.hint) from None


class _Reader:
    def __init__(self, what: str, read: Read | None) -> None:
        self._what = what
        self._read = read
        self._keys: Mapping[str, PublicKey] = {}

    def policy(self, value: Value) -> Policy:
        top = value.section("version", "keys", "scopes", "from", "unsafe_unverified", "cache")
        if (version := top.need("version", Value.integer)) != VERSION:
            raise value.error(f"version {version} is not known here", hint=f"this lading reads version {VERSION}")
        self._keys = top.get("keys", self._named_keys) or {}
        return Policy(
            what=self._what,
            scopes=top.get("scopes", lambda section: self._rules(section, self._scope)),
            bases=top.get("from", lambda section: self._rules(section, self._base)),
            forbid_unverified=top.get("unsafe_unverified", _forbid) or False,
            cache=top.get("cache", self._cache),
        )

    def _named_keys(self, value: Value) -> dict[str, PublicKey]:
        return {_key_name(name, item): self._key(item) for name, item in value.section()}

    def _key(self, value: Value) -> PublicKey:
        if not value.is_section:
            return _load(value, value.text().encode())
        path = value.section("file").need("file", Value.text)
        if self._read is None:
            raise value.error("key files cannot be read here", hint="write the PEM text into the policy")
        try:
            return _load(value, self._read(path))
        except (OSError, LadingError) as error:
            raise value.error(f"{path}: cannot be read: {error}") from None

    def _rules(self, value: Value, read: Callable[[str, Value], Rule]) -> dict[str, Rule]:
        rules: dict[str, Rule] = {}
        places: set[tuple[str, ...]] = set()
        for name, item in value.section():
            place = _check_scope(name, item)
            if place in places:
                raise item.error(f"the scope {name!r} is there twice, written differently")
            places.add(place)
            rules[name] = read(name, item)
        if not rules:
            raise value.error("names no scope", hint="add `default:`, which covers every reference")
        return rules

    def _scope(self, name: str, value: Value) -> Rule:
        rule = self._rule(name, value.section(*_RULE))
        if not rule.reject and rule.signed_by is None and not rule.require:
            raise value.error("asks for nothing", hint="add signed_by, require, or `reject: true`")
        return rule

    def _base(self, name: str, value: Value) -> Rule:
        section = value.section(*_RULE, "allow_unverified")
        allow = section.get("allow_unverified", Value.boolean) or False
        rule = self._rule(name, section, allow)
        if not rule.reject and not allow and rule.signed_by is None and not rule.require:
            raise value.error("asks for nothing", hint="add signed_by, require, `reject: true` or allow_unverified")
        return rule

    def _rule(self, name: str, section: Section, allow_unverified: bool = False) -> Rule:
        reject = section.get("reject", Value.boolean) or False
        signed_by = section.get("signed_by", self._signed_by)
        signers = signed_by.keys if signed_by else ()
        require = section.get("require", lambda value: value.each(lambda item: self._require(item, signers))) or ()
        signed_for = section.get("signed_for", _signed_for)
        if reject and (signed_by or require or signed_for is not None or allow_unverified):
            raise section.value.error("reject stands alone: it needs nothing beside it")
        return Rule(name, reject, signed_by, require, signed_for, allow_unverified)

    def _signed_by(self, value: Value) -> SignedBy:
        section = value.section("keys", "threshold", "annotations")
        keys = section.need("keys", self._key_list)
        threshold = section.get("threshold", Value.integer)
        threshold = 1 if threshold is None else threshold
        if not 1 <= threshold <= len(keys):
            raise value.error(f"a threshold of {threshold} cannot be met by {len(keys)} keys, or means nothing")
        return SignedBy(keys, threshold, section.get("annotations", _annotations) or {})

    def _require(self, value: Value, signers: tuple[NamedKey, ...]) -> Require:
        section = value.section("type", "builder", "by")
        uri = section.need("type", _predicate_type)
        builder = section.get("builder", Value.text)
        if builder is not None and uri not in (PROVENANCE, PROVENANCE_V02):
            raise value.error("builder has a meaning for provenance only")
        by = section.get("by", self._key_list) or signers
        if not by:
            raise value.error("nobody could sign it", hint="name keys with `by`, or give the scope signed_by")
        return Require(uri, by, builder)

    def _key_list(self, value: Value) -> tuple[NamedKey, ...]:
        keys = value.each(self._listed_key)
        if not keys:
            raise value.error("names no key")
        seen: dict[bytes, str] = {}
        for key in keys:
            if key.key.der in seen:
                raise value.error(
                    f"{seen[key.key.der]!r} and {key.name!r} are one key; it counts once, so name it once"
                )
            seen[key.key.der] = key.name
        return keys

    def _listed_key(self, value: Value) -> NamedKey:
        if value.is_section:
            key = self._key(value)
            return NamedKey(value.section("file").need("file", Value.text), key)
        name = value.text()
        if name.startswith(_PEM):
            key = self._key(value)
            return NamedKey(key.fingerprint[:16], key)
        if name not in self._keys:
            raise value.error(
                f"no key is named {name!r}", hint="define it under `keys:`, or write {file: PATH} or the PEM text here"
            )
        return NamedKey(name, self._keys[name])

    def _cache(self, value: Value) -> tuple[NamedKey, ...]:
        return value.section("signed_by").need("signed_by", lambda item: self._signed_by(item).keys)


def _load(value: Value, pem: bytes) -> PublicKey:
    try:
        return PublicKey.from_pem(pem)
    except LadingError as error:
        raise value.error(error.message, error.hint) from None


def _key_name(name: str, value: Value) -> str:
    if not _KEY_NAME.fullmatch(name):
        raise value.error("a key's name has letters, digits and . _ @ + - only")
    return name


def _check_scope(name: str, value: Value) -> tuple[str, ...]:
    if "*" in name:
        raise value.error("scopes have no wildcards: a scope covers everything below it")
    if (trouble := why_empty(name)) is not None:
        raise value.error(*trouble)
    return components(name)


def _signed_for(value: Value) -> tuple[str, ...]:
    """`itself`, or a list of repositories."""
    try:
        names = value.each(Value.text)
    except YamlError:
        if value.text() != "itself":
            raise value.error("write `itself`, or a list of repositories") from None
        return ()
    if not names:
        raise value.error("names no repository")
    for name in names:
        _check_scope(name, value)
    return names


def _predicate_type(value: Value) -> str:
    try:
        return predicate_type(value.text())
    except LadingError as error:
        raise value.error(error.message, error.hint) from None


def _annotations(value: Value) -> dict[str, str]:
    return {name: item.text() for name, item in value.section()}


def _forbid(value: Value) -> bool:
    if value.text() != "forbid":
        raise value.error("the only value is 'forbid'", hint="left out, --unsafe-unverified is allowed, loudly")
    return True
