"""Base64 and PEM, strictly: one text for one value (RFC 4648 §3.5 and §4, RFC 7468)."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from lading.store.errors import DocumentError
from lading.store.system.patterns import pattern

_PEM: Final = pattern(
    rb"-----BEGIN ([A-Z0-9 ]{1,64})-----\r?\n((?:[A-Za-z0-9+/=]{1,1024}\r?\n)+)-----END ([A-Z0-9 ]{1,64})-----"
)
_MAX_PEM: Final = 64 * 1024


def encode64(data: bytes) -> str:
    """Standard base64 with padding, on one line."""
    return base64.b64encode(data).decode("ascii")


def decode64(text: str, where: str) -> bytes:
    """The bytes that `text` stands for: either alphabet (DSSE allows both), never mixed, padded, canonical.

    Raises `DocumentError` naming `where`.
    """
    alternative = b"-_" if "-" in text or "_" in text else None
    try:
        raw = text.encode("ascii")
        data = base64.b64decode(raw, alternative, validate=True)
    except (UnicodeError, binascii.Error, ValueError):
        raise DocumentError(f"{where}: not valid base64") from None
    if base64.b64encode(data, alternative) != raw:
        raise DocumentError(f"{where}: not valid base64: more than one way to write it")
    return data


def read_pem(data: bytes, labels: tuple[str, ...], source: str) -> tuple[str, bytes]:
    """The label and content of the one PEM block in `data`, whose label must be one of `labels`.

    Raises `DocumentError` for no block, several, text around it, or another label.
    """
    if len(data) > _MAX_PEM:
        raise DocumentError(f"{source}: {len(data)} bytes, more than a key file has")
    match = _PEM.fullmatch(data.strip())
    if match is None or match[1] != match[3]:
        raise DocumentError(f"{source}: not one PEM block", hint="it begins with -----BEGIN and has nothing around it")
    label = match[1].decode("ascii")
    if label not in labels:
        raise DocumentError(f"{source}: holds {label!r}, expected {' or '.join(map(repr, labels))}")
    return label, decode64(b"".join(match[2].split()).decode("ascii"), source)


def write_pem(label: str, data: bytes) -> bytes:
    """One PEM block, 64 characters a line."""
    text = encode64(data)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode("ascii")
