"""NaCl's secretbox (XSalsa20 and Poly1305, "Cryptography in NaCl" §9), as cosign's key files use it: libsodium's."""

from __future__ import annotations

from typing import Final

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from lading.store.errors import DocumentError

NONCE_SIZE: Final = SecretBox.NONCE_SIZE


def encrypt(key: bytes, nonce: bytes, message: bytes) -> bytes:
    """Tag and ciphertext of `message`."""
    return SecretBox(key).encrypt(message, nonce).ciphertext


def decrypt(key: bytes, nonce: bytes, box: bytes) -> bytes | None:
    """The message in `box`, or None where the tag does not fit the key. Raises `DocumentError` for other sizes."""
    if len(nonce) != NONCE_SIZE:
        raise DocumentError(f"a secretbox has a key of {SecretBox.KEY_SIZE} and a nonce of {NONCE_SIZE} bytes")
    if len(box) < SecretBox.MACBYTES:
        raise DocumentError("an encrypted box is shorter than its tag")
    try:
        return SecretBox(key).decrypt(box, nonce)
    except CryptoError:
        return None
