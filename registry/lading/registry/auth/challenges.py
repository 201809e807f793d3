"""What a 401 asks for: the challenges of ``WWW-Authenticate`` (RFC 9110 §11.6.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from lading.store.fastclass import dataclass
from lading.store.system.patterns import pattern

KNOWN: Final = ("bearer", "basic")
MAX_HEADER: Final = 8 * 1024
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SCHEME: Final = pattern(rf"[\s,]*({_WORD})(?:\s+|\s*(?=,|$))")
_PARAMETER: Final = pattern(rf'[\s,]*({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_WORD}))')
_TOKEN68: Final = pattern(r"[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$))")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One scheme, in lower case, and its parameters."""

    scheme: str
    parameters: Mapping[str, str]


def understood(header: str) -> bool:
    """Whether one of the challenges is of a kind that is known here."""
    return any(challenge.scheme in KNOWN for challenge in parse_challenges(header))


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Every challenge that can be read, several headers joined by commas included; garbage ends the list."""
    text, at = header[:MAX_HEADER], 0
    found: list[Challenge] = []
    while match := _SCHEME.match(text, at):
        at = match.end()
        parameters: dict[str, str] = {}
        if token := _TOKEN68.match(text, at):
            at = token.end()
        while item := _PARAMETER.match(text, at):
            at = item.end()
            value = item[3] if item[2] is None else re.sub(r"\\(.)", r"\1", item[2])
            parameters.setdefault(item[1].lower(), value)
        found.append(Challenge(match[1].lower(), parameters))
    return tuple(found)
