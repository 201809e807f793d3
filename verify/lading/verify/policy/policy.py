"""A policy: what an image must show before it is run, by reference; and before a build stands on it.

Everything is refused that no scope covers. `yaml_reader.parse_policy` reads the YAML form (docs/policy.md,
policy.schema.json) and `canonical.load_policy` the compiled one. A policy is complete: keys are loaded, defaults
filled in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Self

from lading.store.errors import InputError
from lading.store.fastclass import dataclass, field
from lading.verify.keys.named_key import NamedKey
from lading.verify.policy.requirements.attestation import AttestationRequirement
from lading.verify.policy.requirements.composition import Composition, all_of
from lading.verify.policy.requirements.requirement import Requirement
from lading.verify.policy.requirements.signature import SignatureRequirement
from lading.verify.policy.scopes import DEFAULT, covering

VERSION: Final = 1


class PolicyError(InputError):
    """A policy that cannot be used; a judgement by it could not be made (exit 5)."""

    exit_code = 5


@dataclass(frozen=True, slots=True)
class Rule:
    """What one scope asks for: all of it.

    `signed_for`: evidence must name one of these repositories, or, where it is empty, the one judged; None asks
    for no name. `allow_unverified` exists in the ``from`` section only.
    """

    scope: str
    reject: bool = False
    requirements: tuple[Requirement, ...] = ()
    signed_for: tuple[str, ...] | None = None
    allow_unverified: bool = False

    @property
    def requirement(self) -> Composition:
        """All of them as one."""
        return all_of(*self.requirements)

    @property
    def keys(self) -> tuple[NamedKey, ...]:
        """Every key that the rule trusts for something."""
        return self.requirement.keys


@dataclass(frozen=True, slots=True)
class Policy:
    """A whole policy. `source` is its file, for messages. `scopes` is None where the section is left out.

    `bases` is the ``from`` section likewise; `cache` holds the keys whose links make imported cache entries
    count, None where the section is left out.
    """

    source: str
    scopes: Mapping[str, Rule] | None = field(default=None, hash=False)
    bases: Mapping[str, Rule] | None = field(default=None, hash=False)
    forbid_unverified: bool = False
    cache: tuple[NamedKey, ...] | None = None

    @classmethod
    def trusting(
        cls,
        *keys: NamedKey,
        types: tuple[str, ...] = (),
        annotations: Mapping[str, str] | None = None,
        source: str = "the given key",
    ) -> Self:
        """One that asks every image for a signature by one of `keys`, or for attestations of `types` instead."""
        signature = SignatureRequirement(keys, annotations=annotations or {})
        asked = tuple(AttestationRequirement(uri, keys) for uri in types) or (signature,)
        return cls(source, scopes={DEFAULT: Rule(DEFAULT, requirements=asked)})

    def rule_for(self, name: str | None) -> Rule | None:
        """The rule for a reference, None where nothing covers it."""
        return _find(self.scopes or {}, name)

    def base_rule_for(self, name: str | None) -> Rule | None:
        """The rule of the ``from`` section for a base image, None where nothing covers it."""
        if self.bases is None:
            return Rule(DEFAULT, allow_unverified=True)
        return _find(self.bases, name)

    def key_name(self, fingerprint: str) -> str | None:
        """What it calls a key, None where it does not know it."""
        rules = [*(self.scopes or {}).values(), *(self.bases or {}).values()]
        return next((str(key) for rule in rules for key in rule.keys if key.key.fingerprint == fingerprint), None)


def _find(rules: Mapping[str, Rule], name: str | None) -> Rule | None:
    scope = covering(rules, name)
    return None if scope is None else rules[scope]
