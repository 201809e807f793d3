"""What `PublicKey` asks `cryptography` to do: load a key strictly, check a signature by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from lading.store.errors import DocumentError

_RSA_BITS: Final = (2048, 8192)
_RSA_EXPONENTS: Final = (65537, 2**32)
"""Below: broken padding schemes' favourite; above: work for the verifier and nobody uses it."""


@dataclass(frozen=True, slots=True)
class Checker:
    """One loaded key."""

    kind: str
    _verify: Callable[[bytes, bytes], None]

    def check(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature holds."""
        try:
            self._verify(signature, message)
        except InvalidSignature:
            return False
        return True


def load(der: bytes) -> Checker:
    """Raises `DocumentError` unless `der` is the canonical SubjectPublicKeyInfo of an acceptable key."""
    try:
        key = load_der_public_key(der)
        canonical = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise DocumentError("not a public key that can be read") from None
    if canonical != der:
        raise DocumentError("not in the one encoding that DER allows (a compressed point, or bytes too many)")
    match key:
        case ec.EllipticCurvePublicKey():
            return _ecdsa(key)
        case RSAPublicKey():
            return _rsa(key)
        case Ed25519PublicKey():
            return Checker("Ed25519", key.verify)
        case _:
            raise DocumentError("neither ECDSA, RSA nor Ed25519")


def _ecdsa(key: ec.EllipticCurvePublicKey) -> Checker:
    match key.curve:
        case ec.SECP256R1():
            kind, scheme = "ECDSA P-256", ec.ECDSA(SHA256())
        case ec.SECP384R1():
            kind, scheme = "ECDSA P-384", ec.ECDSA(SHA384())
        case curve:
            raise DocumentError(f"an ECDSA key on {curve.name}; only P-256 and P-384 are accepted")
    return Checker(kind, lambda signature, message: key.verify(signature, message, scheme))


def _rsa(key: RSAPublicKey) -> Checker:
    least, most = _RSA_BITS
    if not least <= key.key_size <= most:
        raise DocumentError(f"an RSA key of {key.key_size} bits; from {least} to {most} are accepted")
    exponent = key.public_numbers().e
    if not _RSA_EXPONENTS[0] <= exponent <= _RSA_EXPONENTS[1]:
        raise DocumentError(f"an RSA key with the public exponent {exponent}; 65537 is usual")
    scheme = padding.PKCS1v15()
    return Checker(f"RSA {key.key_size}", lambda signature, message: key.verify(signature, message, scheme, SHA256()))
