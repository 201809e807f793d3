"""cosign's encrypted private key files: PKCS#8 in a secretbox whose key scrypt makes of a password.

The PEM body is JSON (kdf, cipher, ciphertext); both of cosign's PEM labels are read, the newer is written.
scrypt's parameters come from the file and are capped, so that a hostile file cannot take the machine's memory.
"""

from __future__ import annotations

import hashlib
import os
from typing import Final

from lading.store.errors import DocumentError, InputError, Remedy
from lading.store.fastclass import dataclass
from lading.store.oci.json import Fields, canonical, parse
from lading.verify.keys.encoding import decode64, encode64, read_pem, write_pem

LABEL: Final = "ENCRYPTED SIGSTORE PRIVATE KEY"
LABELS: Final = (LABEL, "ENCRYPTED COSIGN PRIVATE KEY")
"""The PEM labels of a signing key: a build keeps files with one of them out of its context."""

_MAX_MEMORY: Final = 256 * 1024 * 1024
_MAX_LANES: Final = 8


class PasswordError(InputError):
    """The password does not open the key."""


@dataclass(frozen=True, slots=True)
class _Scrypt:
    """RFC 7914 §2: cost N, block size r, parallelisation p."""

    n: int
    r: int
    p: int
    salt: bytes

    def check(self, source: str) -> None:
        power = self.n > 1 and self.n & (self.n - 1) == 0
        if not power or self.r < 1 or not 1 <= self.p <= _MAX_LANES or 128 * self.n * self.r > _MAX_MEMORY:
            raise DocumentError(f"{source}: scrypt parameters N={self.n} r={self.r} p={self.p} are out of bounds")

    def derive(self, password: bytes, source: str) -> bytes:
        try:
            return hashlib.scrypt(
                password, salt=self.salt, n=self.n, r=self.r, p=self.p, dklen=32, maxmem=2 * _MAX_MEMORY
            )
        except (ValueError, MemoryError) as error:  # a combination that RFC 7914 §2 excludes
            raise DocumentError(f"{source}: scrypt refuses the parameters: {error}") from None


def encrypt(pkcs8: bytes, password: bytes) -> bytes:
    """A PEM file that holds `pkcs8` (DER) under `password`, which may be empty."""
    from lading.verify.keys import secretbox  # noqa: PLC0415

    scrypt = _Scrypt(65536, 8, 1, os.urandom(32))
    nonce = os.urandom(secretbox.NONCE_SIZE)
    box = secretbox.encrypt(scrypt.derive(password, "private key"), nonce, pkcs8)
    kdf = {"name": "scrypt", "params": {"N": scrypt.n, "r": scrypt.r, "p": scrypt.p}, "salt": encode64(scrypt.salt)}
    cipher = {"name": "nacl/secretbox", "nonce": encode64(nonce)}
    return write_pem(LABEL, canonical({"kdf": kdf, "cipher": cipher, "ciphertext": encode64(box)}))


def decrypt(pem: bytes, password: bytes, source: str = "private key") -> bytes:
    """The PKCS#8 DER in a key file. Raises `PasswordError`, or `DocumentError` for a malformed file."""
    from lading.verify.keys import secretbox  # noqa: PLC0415

    _, body = read_pem(pem, LABELS, source)
    fields = Fields(parse(body, source), source)
    scrypt = _read_scrypt(fields.fields("kdf"))
    cipher = fields.fields("cipher")
    _expect(cipher, "name", "nacl/secretbox")
    nonce = decode64(cipher.text("nonce"), f"{source}: nonce")
    box = decode64(fields.text("ciphertext"), f"{source}: ciphertext")
    fields.close()
    plain = secretbox.decrypt(scrypt.derive(password, source), nonce, box)
    if plain is None:
        hint = Remedy("give another password", "give another")
        raise PasswordError(f"{source}: the password does not open this key", hint=hint)
    return plain


def _read_scrypt(kdf: Fields) -> _Scrypt:
    _expect(kdf, "name", "scrypt")
    numbers = kdf.fields("params")
    salt = decode64(kdf.text("salt"), f"{kdf.source}: salt")
    scrypt = _Scrypt(numbers.integer("N"), numbers.integer("r"), numbers.integer("p"), salt)
    scrypt.check(kdf.source)
    return scrypt


def _expect(fields: Fields, name: str, wanted: str) -> None:
    found = fields.text(name)
    if found != wanted:
        raise DocumentError(f"{fields.source}: {name} is {found!r}, only {wanted!r} is known")
