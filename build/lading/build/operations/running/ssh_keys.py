"""Private keys that a call lends to its steps, as an ssh agent uses them: told by their public half, and for signing.

The forms are those of RFC 4253 §6.6, RFC 5656 §3.1, RFC 8332 §3 and RFC 8709. Signatures with SHA-1 are not made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from lading.build.errors import TextError
from lading.store.fastclass import dataclass, field

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

MAX_FILE: Final = 100 * 1024
"""Bytes of a key file, as in the reference."""
SHA256, SHA512 = 2, 4
"""Flags of a request: RSA with SHA-256, with SHA-512."""
_CURVES: Final = {"secp256r1": (256, "nistp256"), "secp384r1": (384, "nistp384"), "secp521r1": (512, "nistp521")}
_OPENSSH: Final = b"-----BEGIN OPENSSH PRIVATE KEY-----"


@dataclass(frozen=True, slots=True)
class SshKey:
    """A key; `blob` is its public half. `sign` gives a signature of data by flags, None for one that is not made."""

    blob: bytes
    sign: Callable[[bytes, int], bytes | None] = field(repr=False)

    @classmethod
    def parse(cls, data: bytes) -> SshKey:
        """From OpenSSH's form, or PEM. Raises `TextError`, which says nothing of the content."""
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415

        key = _loaded(data)
        if isinstance(key, Ed25519PrivateKey):
            return cls(_blob(key), lambda data, _: string(b"ssh-ed25519") + string(key.sign(data)))
        if isinstance(key, RSAPrivateKey):
            return cls(_blob(key), _by_rsa(key))
        if isinstance(key, EllipticCurvePrivateKey) and key.curve.name in _CURVES:
            return cls(_blob(key), _by_curve(key))
        raise TextError("a private key of a kind that is not supported: RSA, ECDSA and Ed25519 are")


def _loaded(data: bytes) -> object:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    try:
        if _OPENSSH in data:
            return serialization.load_ssh_private_key(data, None)
        return serialization.load_pem_private_key(data, None)
    except TypeError:
        raise TextError("a private key with a passphrase, which nobody is asked for") from None
    except (ValueError, UnsupportedAlgorithm):
        raise TextError("neither the socket of an agent nor a private key in OpenSSH's form or PEM") from None


def _blob(key: Ed25519PrivateKey | RSAPrivateKey | EllipticCurvePrivateKey) -> bytes:
    import base64  # noqa: PLC0415

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

    return base64.b64decode(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split(b" ")[1])


def _by_rsa(key: RSAPrivateKey) -> Callable[[bytes, int], bytes | None]:
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415

    def sign(data: bytes, flags: int) -> bytes | None:
        if flags & SHA512:
            return string(b"rsa-sha2-512") + string(key.sign(data, PKCS1v15(), hashes.SHA512()))
        if flags & SHA256:
            return string(b"rsa-sha2-256") + string(key.sign(data, PKCS1v15(), hashes.SHA256()))
        return None

    return sign


def _by_curve(key: EllipticCurvePrivateKey) -> Callable[[bytes, int], bytes | None]:
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature  # noqa: PLC0415

    bits, name = _CURVES[key.curve.name]
    digest = {256: hashes.SHA256(), 384: hashes.SHA384(), 512: hashes.SHA512()}[bits]

    def sign(data: bytes, flags: int) -> bytes:
        del flags
        first, second = decode_dss_signature(key.sign(data, ECDSA(digest)))
        return string(f"ecdsa-sha2-{name}".encode()) + string(_number(first) + _number(second))

    return sign


def string(data: bytes) -> bytes:
    """With its length before it (RFC 4251 §5)."""
    return len(data).to_bytes(4, "big") + data


def _number(value: int) -> bytes:
    """An mpint: the fewest bytes in which it is positive."""
    return string(value.to_bytes(value.bit_length() // 8 + 1, "big"))
