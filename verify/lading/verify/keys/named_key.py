"""A public key under the name that a policy has for it."""

from __future__ import annotations

from lading.store.fastclass import dataclass
from lading.store.oci.json import Fields
from lading.verify.keys.encoding import decode64, encode64
from lading.verify.keys.keys import PublicKey


@dataclass(frozen=True, slots=True)
class NamedKey:
    """A key and what the policy calls it."""

    name: str
    key: PublicKey

    @classmethod
    def parse(cls, value: object, where: str) -> NamedKey:
        """From `canonical`'s form. Raises `DocumentError`.

        The key was looked at before that was written; here it is not until it checks something, and then a bad one
        raises `DocumentError`.
        """
        fields = Fields(value, where)
        return cls(fields.text("name"), PublicKey(decode64(fields.text("key"), where)))

    def canonical(self) -> dict[str, str]:
        """The whole of it, as a compiled policy has it."""
        return {"name": self.name, "key": encode64(self.key.der)}

    def json(self) -> dict[str, object]:
        """As decisions have it."""
        return {"name": self.name, "sha256": self.key.fingerprint}

    def __str__(self) -> str:
        return f"{self.name!r} (key {self.key.fingerprint[:16]})"
