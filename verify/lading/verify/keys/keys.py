"""Public keys that check signatures, and the private keys that make them.

A public key is its canonical SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) in DER and nothing else, so one key
written as PEM, as DER or under two names is one key. Checked: ECDSA P-256 with SHA-256 and P-384 with SHA-384
(DER signatures), RSA PKCS #1 v1.5 with SHA-256 from 2048 bits, Ed25519 as RFC 8032 §5.1 has it (never
Ed25519ph). Made: ECDSA P-256. `cryptography` is imported when the first key is used.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

from lading.store.errors import DocumentError, Remedy
from lading.store.fastclass import dataclass, field
from lading.store.system.hashing import sha256
from lading.verify.keys.encoding import encode64, read_pem, write_pem

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from lading.verify.keys.signature_verifier import SignatureVerifier

_LABEL: Final = "PUBLIC KEY"
_MAX_DER: Final = 4096


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key of a known type and sufficient strength."""

    der: bytes

    @classmethod
    def from_pem(cls, data: bytes, source: str = "public key") -> PublicKey:
        """From one ``PUBLIC KEY`` block. Raises `DocumentError`."""
        return cls.from_der(read_pem(data, (_LABEL,), source)[1], source)

    @classmethod
    def from_der(cls, data: bytes, source: str = "public key") -> PublicKey:
        """From SubjectPublicKeyInfo. Raises `DocumentError` for another encoding, type or strength."""
        if len(data) > _MAX_DER:
            raise DocumentError(f"{source}: {len(data)} bytes, more than a public key has")
        try:
            _signature_verifier(data)
        except DocumentError as error:
            raise DocumentError(f"{source}: {error.message}", hint=error.hint) from None
        return cls(data)

    @property
    def kind(self) -> str:
        """The algorithm in words: ``ECDSA P-256``, ``RSA 3072``, ``Ed25519``."""
        return _signature_verifier(self.der).kind

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the DER, in hexadecimal."""
        return sha256(self.der).hexdigest()

    @property
    def hint(self) -> str:
        """The fingerprint as bundles carry it: base64."""
        return encode64(sha256(self.der).digest())

    @property
    def pem(self) -> bytes:
        """One ``PUBLIC KEY`` block."""
        return write_pem(_LABEL, self.der)

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` over `message` was made with this key's private half."""
        return _signature_verifier(self.der).check(signature, message)


SignatureCheck = Callable[[PublicKey, bytes, bytes], bool]
"""Whether a signature over a message was made with a key's private half: `PublicKey.verify`, or who remembers it."""


@lru_cache(maxsize=256)
def _signature_verifier(der: bytes) -> SignatureVerifier:
    from lading.verify.keys.ecdsa import load  # noqa: PLC0415 - brings `cryptography`

    return load(der)


class Signer(Protocol):
    """Whatever can sign for a public key: a key file now, a key service later."""

    @property
    def public(self) -> PublicKey:
        """The key that checks what this signer makes."""
        ...

    def sign(self, message: bytes) -> bytes:
        """A signature over `message`."""
        ...


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """An ECDSA P-256 key in memory; a `Signer`. Its words never show the secret."""

    public: PublicKey
    _key: EllipticCurvePrivateKey = field(repr=False, compare=False)

    @classmethod
    def generate(cls) -> PrivateKey:
        """A new key."""
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

        return cls._of(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def read(cls, pem: bytes, password: bytes, source: str = "private key") -> PrivateKey:
        """From cosign's encrypted PEM. Raises `PasswordError`, or `DocumentError` for a malformed or other key."""
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import load_der_private_key  # noqa: PLC0415

        from lading.verify.keys import keyfiles  # noqa: PLC0415 - only where a key is opened

        pkcs8 = keyfiles.decrypt(pem, password, source)
        try:
            key = load_der_private_key(pkcs8, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise DocumentError(f"{source}: holds no private key that can be read") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise DocumentError(
                f"{source}: not an ECDSA P-256 key, the only kind that signs here",
                hint=Remedy("make key of this kind", "let Lading make one"),
            )
        return cls._of(key)

    @classmethod
    def _of(cls, key: EllipticCurvePrivateKey) -> PrivateKey:
        from cryptography.hazmat.primitives import serialization as s  # noqa: PLC0415

        der = key.public_key().public_bytes(s.Encoding.DER, s.PublicFormat.SubjectPublicKeyInfo)
        return cls(PublicKey(der), key)

    def write(self, password: bytes) -> bytes:
        """cosign's encrypted PEM; to be kept in a file of mode 0600."""
        from cryptography.hazmat.primitives import serialization as s  # noqa: PLC0415

        from lading.verify.keys import keyfiles  # noqa: PLC0415

        pkcs8 = self._key.private_bytes(s.Encoding.DER, s.PrivateFormat.PKCS8, s.NoEncryption())
        return keyfiles.encrypt(pkcs8, password)

    def sign(self, message: bytes) -> bytes:
        """A DER signature over SHA-256 of `message`."""
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

        return self._key.sign(message, ec.ECDSA(SHA256()))
