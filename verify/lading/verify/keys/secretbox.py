"""NaCl's secretbox: XSalsa20 and Poly1305, as cosign's key files use it.

D. J. Bernstein, "Extending the Salsa20 nonce" (2011), and "Cryptography in NaCl" §9. The Salsa20 core is
written out here because no library at hand offers it; Poly1305, which decides what is accepted, comes from
`cryptography`. Only key files of a few hundred bytes pass through, so speed does not matter.
"""

from __future__ import annotations

import struct
from typing import Final

from lading.store.errors import DocumentError

KEY_SIZE: Final = 32
NONCE_SIZE: Final = 24
TAG_SIZE: Final = 16

_SIGMA: Final = struct.unpack("<4I", b"expand 32-byte k")
_COLUMNS: Final = ((0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11))
_ROWS: Final = ((0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14))


def seal(key: bytes, nonce: bytes, message: bytes) -> bytes:
    """Tag and ciphertext of `message`."""
    from cryptography.hazmat.primitives.poly1305 import Poly1305  # noqa: PLC0415

    stream = _keystream(key, nonce, KEY_SIZE + len(message))
    ciphertext = _xor(message, stream[KEY_SIZE:])
    return Poly1305.generate_tag(stream[:KEY_SIZE], ciphertext) + ciphertext


def unseal(key: bytes, nonce: bytes, box: bytes) -> bytes | None:
    """The message in `box`, or None where the tag does not fit the key. Raises `DocumentError` if cut short."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.poly1305 import Poly1305  # noqa: PLC0415

    if len(box) < TAG_SIZE:
        raise DocumentError("an encrypted box is shorter than its tag")
    tag, ciphertext = box[:TAG_SIZE], box[TAG_SIZE:]
    stream = _keystream(key, nonce, KEY_SIZE + len(ciphertext))
    try:
        Poly1305.verify_tag(stream[:KEY_SIZE], ciphertext, tag)
    except InvalidSignature:
        return None
    return _xor(ciphertext, stream[KEY_SIZE:])


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _keystream(key: bytes, nonce: bytes, size: int) -> bytes:
    if len(key) != KEY_SIZE or len(nonce) != NONCE_SIZE:
        raise DocumentError(f"a secretbox has a key of {KEY_SIZE} and a nonce of {NONCE_SIZE} bytes")
    subkey = _hsalsa20(key, nonce[:16])
    blocks = (_salsa20(subkey, nonce[16:] + struct.pack("<Q", at)) for at in range(-(-size // 64)))
    return b"".join(blocks)[:size]


def _salsa20(key: bytes, nonce: bytes) -> bytes:
    state = _state(key, nonce)
    mixed = _mix(state)
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(state, mixed, strict=True)))


def _hsalsa20(key: bytes, nonce: bytes) -> bytes:
    mixed = _mix(_state(key, nonce))
    return struct.pack("<8I", *(mixed[at] for at in (0, 5, 10, 15, 6, 7, 8, 9)))


def _state(key: bytes, nonce: bytes) -> list[int]:
    words = struct.unpack("<8I", key)
    middle = struct.unpack("<4I", nonce)
    return [_SIGMA[0], *words[:4], _SIGMA[1], *middle, _SIGMA[2], *words[4:], _SIGMA[3]]


def _mix(state: list[int]) -> list[int]:
    words = list(state)
    for _ in range(10):
        for quarter in (*_COLUMNS, *_ROWS):
            _quarter_round(words, *quarter)
    return words


def _quarter_round(words: list[int], a: int, b: int, c: int, d: int) -> None:
    words[b] ^= _rotate(words[a] + words[d], 7)
    words[c] ^= _rotate(words[b] + words[a], 9)
    words[d] ^= _rotate(words[c] + words[b], 13)
    words[a] ^= _rotate(words[d] + words[c], 18)


def _rotate(value: int, by: int) -> int:
    value &= 0xFFFFFFFF
    return ((value << by) | (value >> (32 - by))) & 0xFFFFFFFF
