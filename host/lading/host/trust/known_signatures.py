"""Signatures that were checked before: a launch of the same image need not load `cryptography`, nor reckon again.

Only launches by the policy that lies in the root itself ask here, and none where the administrator put a floor: whoever
can write the index in which the answers lie can write that policy, so they say nothing that he could not say anyway.
`lading verify` reckons every signature.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from lading.store.errors import MachineError
from lading.store.index import Index
from lading.store.system.hashing import sha256
from lading.verify.keys.keys import PublicKey

KIND: Final = "signature"
"""In the index's table ``cache``; a key is the digest of public key, signature and message, each with its length."""

MOST: Final = 10_000
"""Of how many the outcome is kept."""
_DROP_OLD: Final = (
    "DELETE FROM cache WHERE kind = ? AND used <= "
    "(SELECT used FROM cache WHERE kind = ? ORDER BY used DESC LIMIT 1 OFFSET ?)"
)
_HOLDS: Final = b"holds"
_FAILS: Final = b"fails"


class KnownSignatures:
    """A `SignatureCheck` that remembers what it found, in the index of one root."""

    def __init__(self, index: Index, most: int = MOST) -> None:
        self._index = index
        self._most = most

    def __call__(self, key: PublicKey, signature: bytes, message: bytes) -> bool:
        """As `PublicKey.verify`."""
        parts = (key.der, signature, message)
        name = sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).hexdigest()
        known = self._index.recall(KIND, name)
        if known in (_HOLDS, _FAILS):
            return known == _HOLDS
        holds = key.verify(signature, message)
        with suppress(MachineError):  # a full or read-only disk: next time then
            self._keep(name, _HOLDS if holds else _FAILS)
        return holds

    def _keep(self, name: str, outcome: bytes) -> None:
        with self._index.transaction():
            self._index.remember(KIND, name, outcome)
            self._index.run(_DROP_OLD, (KIND, KIND, self._most))
