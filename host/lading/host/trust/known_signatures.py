"""Signatures that held before: a launch of the same image need not load `cryptography`, nor reckon them again.

Only launches by the policy that lies in the root itself ask here, and none where the administrator put a floor: whoever
can write the index in which the answers lie can write that policy, so they say nothing that he could not say anyway.
`lading verify` reckons every signature.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Final

from lading.store.errors import MachineError
from lading.store.index import Index
from lading.store.system.hashing import sha256
from lading.verify.keys.keys import PublicKey

MOST: Final = 10_000
"""How many are remembered; those that came first go first."""
_KIND: Final = "signature"
_KEEP: Final = "INSERT OR REPLACE INTO cache (kind, key, value, used) VALUES (?, ?, x'', ?)"
_COUNT: Final = "SELECT count(*) FROM cache WHERE kind = ?"
_DROP: Final = (
    "DELETE FROM cache WHERE kind = ? AND key IN (SELECT key FROM cache WHERE kind = ? ORDER BY used, key LIMIT ?)"
)


class KnownSignatures:
    """A `SignatureCheck` that remembers what held, in the index of one root, once `keep` is called.

    What did not hold is reckoned each time: how much of that there is, is up to whoever may attach evidence.
    """

    def __init__(self, index: Index, most: int = MOST) -> None:
        self._index = index
        self._most = most
        self._new: list[str] = []

    def __call__(self, key: PublicKey, signature: bytes, message: bytes) -> bool:
        """As `PublicKey.verify`."""
        parts = (key.der, signature, message)
        name = sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).hexdigest()
        if self._index.recall(_KIND, name) is not None:
            return True
        if not key.verify(signature, message):
            return False
        self._new.append(name)
        return True

    def keep(self) -> None:
        """Writes down what was found to hold, where the disk takes it."""
        if not self._new:
            return
        now = time.time()
        with suppress(MachineError), self._index.transaction():
            for name in self._new[: self._most]:
                self._index.run(_KEEP, (_KIND, name, now))
            found = self._index.one(_COUNT, (_KIND,))
            if found and found[0] > self._most:
                self._index.run(_DROP, (_KIND, _KIND, found[0] - self._most))
        self._new.clear()
