"""Which kinds of requirement the texts of a policy know: a line for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from lading.store.oci.json import Fields
from lading.verify.keys.named_key import NamedKey
from lading.verify.policy.requirements.attestation import AttestationFormat
from lading.verify.policy.requirements.requirement import Requirement
from lading.verify.policy.requirements.signature import SignatureFormat

if TYPE_CHECKING:
    from lading.verify.policy.key_reader import KeyReader
    from lading.verify.policy.yaml_text import Value


class RequirementFormat(Protocol):
    """How a kind stands in the two texts of a policy: not at all, or as often as its own `read` and `load` take it."""

    @property
    def section(self) -> str:
        """Its name in YAML."""
        ...

    def read(self, value: Value, keys: KeyReader, before: tuple[NamedKey, ...]) -> tuple[Requirement, ...]:
        """From its section in YAML; `before`: keys of the kinds that stand before it. Raises `YamlError`."""
        ...

    def load(self, rule: Fields) -> tuple[Requirement, ...]:
        """From a compiled rule, out of which it takes its own member. Raises `DocumentError`."""
        ...


FORMATS: Final[tuple[RequirementFormat, ...]] = (
    SignatureFormat(),
    AttestationFormat(),
)
"""In the order in which a rule's requirements stand."""
