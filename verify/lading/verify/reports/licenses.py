"""Licences as they were recorded, in the words of bills of materials (spdx.github.io/spdx-spec/v2.3, Annex D)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final

from lading.store.fastclass import dataclass
from lading.verify.reports.license_list import EXCEPTIONS, LICENSES

_MOST: Final = 4096
"""Characters of an expression; what is longer is a text."""
_DEEPEST: Final = 50
_TOKEN: Final = re.compile(r"[()]|[^\s()]+")
_REFERENCE: Final = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")
_GNU: Final = re.compile(r"([AL]?GPL|GFDL)[- ]?v?([0-9](?:\.[0-9])?)(\+)?", re.IGNORECASE)
_SHORT: Final = re.compile(r"[a-z-]+-[0-9]")
"""As copyright-format/1.0 writes a version without a minor number: `Apache-2`, `MPL-2`."""


@dataclass(frozen=True, slots=True)
class License:
    """`text` is what was recorded; `expression` is that in SPDX's words, empty where it is none of them.

    `single` says that it is the name of one licence of the list.
    """

    text: str
    expression: str = ""
    single: bool = False

    @property
    def reference(self) -> str:
        """Its name within a document, where SPDX has none."""
        name = re.sub(r"[^A-Za-z0-9.-]+", "-", self.text)[:64].strip("-")
        same = name == self.text
        return (
            f"LicenseRef-{name}" if same else f"LicenseRef-{name}-{hashlib.sha256(self.text.encode()).hexdigest()[:8]}"
        )

    @property
    def references(self) -> dict[str, str]:
        """The names within a document that it uses, and what they stand for: of those that others made, themselves."""
        if not self.expression:
            return {self.reference: self.text}
        return {name: name for name in _REFERENCE.findall(self.expression)}

    @property
    def term(self) -> str:
        """As one of several that all hold."""
        if not self.expression:
            return self.reference
        return self.expression if " OR " not in self.expression else f"({self.expression})"


def as_licenses(texts: Iterable[str]) -> tuple[License, ...]:
    """What was recorded, in its order, each once."""
    found = (_license(text) for text in texts)
    return tuple({one.expression or one.text: one for one in found}.values())


def together(found: Iterable[License]) -> str:
    """The expression of all; empty where there is none."""
    several = tuple(found)
    if len(several) == 1:
        return several[0].expression or several[0].reference
    return " AND ".join(one.term for one in several)


def _license(text: str) -> License:
    single = _named(text)
    if single:
        return License(text, single, single=True)
    return License(text, _expression(text))


def _named(text: str) -> str:
    """A licence of the list, in any case or by Debian's name; those of GNU by names that are not deprecated."""
    if gnu := _GNU.fullmatch(text):
        number = gnu[2] if "." in gnu[2] else f"{gnu[2]}.0"
        later = LICENSES.get(f"{gnu[1]}-{number}-{'or-later' if gnu[3] else 'only'}".lower())
        if later:
            return later
    name = text.lower()
    if name == "expat":
        return LICENSES["mit"]
    return LICENSES.get(name) or (LICENSES.get(f"{name}.0", "") if _SHORT.fullmatch(name) else "")


def _expression(text: str) -> str:
    """`text` with the names as the list has them; empty where it is no expression of these alone."""
    if len(text) > _MOST:
        return ""
    try:
        reader = _Reader(_TOKEN.findall(text))
        found = reader.terms(0)
        return found if reader.ended() else ""
    except _OtherError:
        return ""


class _OtherError(ValueError):
    """Not an expression."""


class _Reader:
    """An expression from left to right; it is written as it was, so that what binds more tightly is of no concern."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens[::-1]

    def ended(self) -> bool:
        return not self._tokens

    def terms(self, depth: int) -> str:
        found = [self._term(depth)]
        while self._tokens and (word := self._tokens[-1].upper()) in ("AND", "OR"):
            self._tokens.pop()
            found += [word, self._term(depth)]
        return " ".join(found)

    def _term(self, depth: int) -> str:
        word = self._next()
        if word == "(":
            if depth > _DEEPEST:
                raise _OtherError
            inner = self.terms(depth + 1)
            if self._next() != ")":
                raise _OtherError
            return f"({inner})"
        name = _named(word)
        if not name and word.endswith("+") and word[:-1].lower() in LICENSES:
            name = f"{LICENSES[word[:-1].lower()]}+"
        if not name and not _REFERENCE.fullmatch(word):
            raise _OtherError
        if name and self._tokens and self._tokens[-1].upper() == "WITH":
            self._tokens.pop()
            exception = EXCEPTIONS.get(self._next().lower())
            if exception is None:
                raise _OtherError
            return f"{name} WITH {exception}"
        return name or word

    def _next(self) -> str:
        if not self._tokens:
            raise _OtherError
        return self._tokens.pop()
