"""Claims in a fixed order, and which keys signed each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lading.verify.evidence.claims import Claim
from lading.verify.keys.keys import PublicKey, SignatureCheck
from lading.verify.keys.named_key import NamedKey


class ClaimSet:
    """What a requirement is held against. A signature is checked once, however many requirements ask for it."""

    def __init__(self, claims: Sequence[Claim], check: SignatureCheck = PublicKey.verify) -> None:
        self._claims = tuple(claims)
        self._check_signature = check
        self._checked: dict[tuple[Claim, bytes], bool] = {}
        self._signers: dict[Claim, dict[bytes, NamedKey]] = {claim: {} for claim in self._claims}

    def __iter__(self) -> Iterator[Claim]:
        return iter(self._claims)

    def signers(self, claim: Claim, keys: Sequence[NamedKey]) -> tuple[NamedKey, ...]:
        """Those of `keys` that signed `claim`."""
        found = tuple(key for key in keys if self._check(claim, key.key))
        for key in found:
            self._signers[claim].setdefault(key.key.der, key)
        return found

    def known_signers(self, claim: Claim) -> tuple[NamedKey, ...]:
        """Everybody who was asked for until now and signed `claim`."""
        return tuple(self._signers[claim].values())

    def _check(self, claim: Claim, key: PublicKey) -> bool:
        at = (claim, key.der)
        if at not in self._checked:
            self._checked[at] = claim.signed_by(key, self._check_signature)
        return self._checked[at]
