"""A loaded key, whatever its algorithm: what checks a signature."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import InvalidSignature

from lading.store.fastclass import dataclass


@dataclass(frozen=True, slots=True)
class SignatureVerifier:
    """One loaded key."""

    kind: str
    verify: Callable[[bytes, bytes], None]

    def check(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature holds."""
        try:
            self.verify(signature, message)
        except InvalidSignature:
            return False
        return True
