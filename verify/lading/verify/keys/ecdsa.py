"""What `PublicKey` asks `cryptography` to do for ECDSA keys: load one strictly, check a signature by it.

Most keys are ECDSA, and the path of every launch leads through here. Their SubjectPublicKeyInfo is a constant
and a point (RFC 5480 §2), so it is compared rather than parsed: nothing but the canonical encoding fits, and
`cryptography`'s serialization, which costs 10 ms to import, stays out. Other keys: `lading.verify.keys.rsa_ed25519`.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm

from lading.store.errors import DocumentError
from lading.verify.keys.signature_verifier import SignatureVerifier

_P256: Final = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
_P384: Final = bytes.fromhex("3076301006072a8648ce3d020106052b81040022036200")
_UNCOMPRESSED: Final = 4


class _Scheme(ec.ECDSA):
    """To verify by. The base class' own beginning, which asks what can be *signed* here, costs 10 ms to import."""

    def __init__(self, digest: HashAlgorithm) -> None:
        self._digest = digest

    @property
    def algorithm(self) -> HashAlgorithm:
        """What the message is hashed by."""
        return self._digest

    @property
    def deterministic_signing(self) -> bool:
        """Nothing is signed."""
        return False


def load(der: bytes) -> SignatureVerifier:
    """Raises `DocumentError` unless `der` is the canonical SubjectPublicKeyInfo of an acceptable key."""
    if der.startswith(_P256) and len(der) == len(_P256) + 65:
        return _ecdsa("ECDSA P-256", ec.SECP256R1(), der[len(_P256) :], SHA256())
    if der.startswith(_P384) and len(der) == len(_P384) + 97:
        return _ecdsa("ECDSA P-384", ec.SECP384R1(), der[len(_P384) :], SHA384())
    from lading.verify.keys.rsa_ed25519 import load_other  # noqa: PLC0415 - rarer, and dearer to import

    return load_other(der)


def _ecdsa(kind: str, curve: ec.EllipticCurve, point: bytes, digest: HashAlgorithm) -> SignatureVerifier:
    try:
        if point[0] != _UNCOMPRESSED:
            raise ValueError
        key = ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
    except ValueError:
        raise DocumentError(f"an {kind} key whose point is not on the curve, or not written plainly") from None
    scheme = _Scheme(digest)
    return SignatureVerifier(kind, lambda signature, message: key.verify(signature, message, scheme))
