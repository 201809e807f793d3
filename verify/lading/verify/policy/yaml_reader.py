"""From the YAML of a policy to a `Policy`: names resolved, keys loaded, contradictions refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lading.store.errors import Remedy
from lading.verify.keys.named_key import NamedKey
from lading.verify.policy.key_reader import KeyReader, ReadKeyFile
from lading.verify.policy.policy import VERSION, Policy, PolicyError, Rule
from lading.verify.policy.requirements import requirement_kinds
from lading.verify.policy.requirements.composition import all_of
from lading.verify.policy.requirements.requirement import Requirement
from lading.verify.policy.requirements.requirement_kinds import RequirementFormat
from lading.verify.policy.requirements.signature import SignatureFormat
from lading.verify.policy.scopes import components, why_empty
from lading.verify.policy.yaml_text import Section, Value, YamlError, load

_RULE: Final = ("signed_for", "reject")


def parse_policy(text: str, source: str, read: ReadKeyFile | None = None) -> Policy:
    """From YAML, which stands in `source`. `read` gives the content of a key file named in it.

    Raises `PolicyError` with file and line.
    """
    try:
        return _Reader(source, KeyReader(read)).policy(load(text, source))
    except YamlError as error:
        raise PolicyError(str(error), hint=error.hint) from None


class _Reader:
    def __init__(self, source: str, keys: KeyReader) -> None:
        self._source = source
        self._keys = keys

    def policy(self, value: Value) -> Policy:
        top = value.section("version", "keys", "scopes", "from", "unsafe_unverified", "cache")
        if (version := top.need("version", Value.integer)) != VERSION:
            raise value.error(f"version {version} is not known here", hint=f"this lading reads version {VERSION}")
        top.get("keys", self._keys.define)
        return Policy(
            source=self._source,
            scopes=top.get("scopes", lambda section: self._rules(section, self._scope)),
            bases=top.get("from", lambda section: self._rules(section, self._base)),
            forbid_unverified=top.get("unsafe_unverified", _forbid) or False,
            cache=top.get("cache", self._cache),
        )

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
        rule = self._rule(name, value.section(*_sections(), *_RULE))
        if not rule.reject and not rule.requirements:
            raise value.error("asks for nothing", hint=f"add {', '.join(_sections())}, or `reject: true`")
        return rule

    def _base(self, name: str, value: Value) -> Rule:
        section = value.section(*_sections(), *_RULE, "allow_unverified")
        allow = section.get("allow_unverified", Value.boolean) or False
        rule = self._rule(name, section, allow)
        if not rule.reject and not allow and not rule.requirements:
            hint = f"add {', '.join(_sections())}, `reject: true` or allow_unverified"
            raise value.error("asks for nothing", hint=hint)
        return rule

    def _rule(self, name: str, section: Section, allow_unverified: bool = False) -> Rule:
        reject = section.get("reject", Value.boolean) or False
        requirements = self._requirements(section)
        signed_for = section.get("signed_for", _signed_for)
        if reject and (requirements or signed_for is not None or allow_unverified):
            raise section.value.error("reject stands alone: it needs nothing beside it")
        return Rule(name, reject, requirements, signed_for, allow_unverified)

    def _requirements(self, section: Section) -> tuple[Requirement, ...]:
        found: tuple[Requirement, ...] = ()
        for kind in requirement_kinds.FORMATS:
            found += self._of_kind(kind, section, all_of(*found).keys)
        return found

    def _of_kind(
        self, kind: RequirementFormat, section: Section, before: tuple[NamedKey, ...]
    ) -> tuple[Requirement, ...]:
        return section.get(kind.section, lambda value: kind.read(value, self._keys, before)) or ()

    def _cache(self, value: Value) -> tuple[NamedKey, ...]:
        (wanted,) = value.section("signed_by").need("signed_by", lambda item: SignatureFormat().read(item, self._keys))
        return wanted.keys


def _sections() -> tuple[str, ...]:
    return tuple(kind.section for kind in requirement_kinds.FORMATS)


def _check_scope(name: str, value: Value) -> tuple[str, ...]:
    if "*" in name:
        raise value.error("scopes have no wildcards: a scope covers everything below it")
    if (reason := why_empty(name)) is not None:
        raise value.error(*reason)
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


def _forbid(value: Value) -> bool:
    if value.text() != "forbid":
        hint = Remedy("allow unverified", "left out, images may be let in unverified, loudly")
        raise value.error("the only value is 'forbid'", hint=hint)
    return True
