"""RSA and Ed25519 keys, and good words for every key that is not accepted."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from lading.store.errors import DocumentError
from lading.verify.keys.signature_verifier import SignatureVerifier

_RSA_BITS: Final = (2048, 8192)
_RSA_EXPONENTS: Final = (65537, 2**32)
"""Below: the favourite of broken padding checks; above: nobody's, and work for the verifier."""


def load_other(der: bytes) -> SignatureVerifier:
    """As `lading.verify.keys.ecdsa.load`, for everything but ECDSA on P-256 and P-384."""
    try:
        key = load_der_public_key(der)
        canonical = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise DocumentError("not a public key that can be read") from None
    if canonical != der:
        raise DocumentError("not in the one encoding that DER allows (a compressed point, or bytes too many)")
    match key:
        case ec.EllipticCurvePublicKey():
            raise DocumentError(f"an ECDSA key on {key.curve.name}; only P-256 and P-384 are accepted")
        case RSAPublicKey():
            return _rsa(key)
        case Ed25519PublicKey():
            return SignatureVerifier("Ed25519", key.verify)
        case _:
            raise DocumentError("neither ECDSA, RSA nor Ed25519")


def _rsa(key: RSAPublicKey) -> SignatureVerifier:
    least, most = _RSA_BITS
    if not least <= key.key_size <= most:
        raise DocumentError(f"an RSA key of {key.key_size} bits; from {least} to {most} are accepted")
    exponent = key.public_numbers().e
    if not _RSA_EXPONENTS[0] <= exponent <= _RSA_EXPONENTS[1]:
        raise DocumentError(f"an RSA key with the public exponent {exponent}; 65537 is usual")
    scheme, digest = padding.PKCS1v15(), SHA256()
    kind = f"RSA {key.key_size}"
    return SignatureVerifier(kind, lambda signature, message: key.verify(signature, message, scheme, digest))
