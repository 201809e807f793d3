"""Texts as Go prints them: history lines look like the reference's, so that people and tools find what they know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_ESCAPES: Final = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


def quoted(text: str) -> str:
    """As ``%q``."""
    return '"' + "".join(_character(character) for character in text) + '"'


def _character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    code = ord(character)
    if code < 0x80:
        return character if character.isprintable() else f"\\x{code:02x}"
    if character.isprintable():
        return character
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def listed(texts: Iterable[str], *, quote: bool = False) -> str:
    """As ``%v`` of a list of strings, or ``%q``."""
    return "[" + " ".join(quoted(text) if quote else text for text in texts) + "]"


def duration(nanoseconds: int) -> str:
    """As ``time.Duration.String``."""
    for unit, size in (("ns", 1), ("µs", 1000), ("ms", 1_000_000)):
        if 0 < nanoseconds < size * 1000:
            return f"{_decimal(nanoseconds, size)}{unit}"
    minutes, rest = divmod(nanoseconds, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{_decimal(rest, 1_000_000_000)}s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text


def _decimal(value: int, size: int) -> str:
    whole, rest = divmod(value, size)
    if not rest:
        return str(whole)
    return f"{whole}.{str(rest).zfill(len(str(size)) - 1).rstrip('0')}"
