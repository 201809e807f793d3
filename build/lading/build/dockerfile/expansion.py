"""Quotes, escapes and variables of a Dockerfile word.

The rules are the reference's (moby/buildkit ``frontend/dockerfile/shell``): a small part of a POSIX shell's,
with its own ideas of escapes inside quotes. Held to its tables ``envVarTest`` and ``wordsTest``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from lading.build.dockerfile.substitution import WordError, check_length, is_name, modify, replace
from lading.store.fastclass import dataclass, field
from lading.store.system.patterns import pattern as regex

_SPACES: Final = frozenset("\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | frozenset(
    map(chr, range(0x2000, 0x200B))
)
_SPECIAL: Final = frozenset("@*#?-$!0")
_END: Final = ""
_ORDINARY: Final = regex(r"[\w.,:;=+*@~^|&()\[\]!#%-]+", re.ASCII)
"""What stands for itself wherever it stands between quotes and variables."""
_BLANKS: Final = "".join(sorted(_SPACES))
_PARTS: Final = regex(f"([{_BLANKS}]+)|([^{_BLANKS}]+)")
_DEEPEST: Final = 50
"""Levels of ``${a:-${b:-…}}``."""


def is_space(character: str) -> bool:
    """As Go's ``unicode.IsSpace``."""
    return character in _SPACES


def trim(text: str, *, right: bool = True) -> str:
    """Without blanks at its beginning and, with `right`, at its end, as Go's ``strings.TrimSpace``."""
    start, end = 0, len(text)
    while start < end and is_space(text[start]):
        start += 1
    while right and end > start and is_space(text[end - 1]):
        end -= 1
    return text[start:end]


@dataclass(frozen=True, slots=True)
class Expansion:
    """What became of a word: the whole, the words it falls into, the variables nobody had set, and those it took."""

    text: str
    words: tuple[str, ...]
    unset: frozenset[str]
    used: frozenset[str]


def expand(
    word: str,
    variables: Mapping[str, str],
    *,
    escape: str = "\\",
    raw_quotes: bool = False,
    raw_escapes: bool = False,
    quotes: bool = True,
    keep_unset: bool = False,
) -> Expansion:
    """Expands `word`.

    `raw_quotes` and `raw_escapes` keep those characters in the result, ``quotes=False`` gives quotes no
    meaning, `keep_unset` leaves unset variables as they are written. Raises `WordError`.
    """
    # The reference's scanner passes over a byte order mark.
    lexer = _Lexer(
        word.removeprefix("\ufeff"),
        variables,
        escape=escape,
        raw_quotes=raw_quotes,
        quotes=quotes,
        keep_unset=keep_unset,
    )
    try:
        text, words = lexer.until(_END, raw_escapes)
    except WordError as error:
        first, newline, _ = word.partition("\n")
        raise WordError(f'failed to process "{first}{"…" if newline else ""}": {error}') from None
    return Expansion(text, tuple(words), frozenset(lexer.unset), frozenset(lexer.used))


@dataclass(slots=True)
class _Words:
    word: list[str] = field(default_factory=list[str])
    words: list[str] = field(default_factory=list[str])
    inside: bool = False

    def add(self, text: str) -> None:
        for blank, plain in _PARTS.findall(text):
            if plain:
                self.add_raw(plain)
            elif blank and self.inside and self.word:
                self.end()
                self.inside = False

    def add_raw(self, text: str) -> None:
        if text:
            self.word.append(text)
        self.inside = True

    def end(self) -> None:
        if self.word:
            self.words.append("".join(self.word))
        self.word.clear()

    def close(self) -> list[str]:
        self.end()
        return self.words


class _Lexer:
    def __init__(
        self,
        word: str,
        variables: Mapping[str, str],
        *,
        escape: str,
        raw_quotes: bool,
        quotes: bool,
        keep_unset: bool,
    ) -> None:
        self.word, self.at = word, 0
        self.variables = variables
        self.escape = escape
        self.raw_quotes, self.quotes, self.keep_unset = raw_quotes, quotes, keep_unset
        self.raw_escapes: bool = False
        self.pattern: bool = False
        self.unset: set[str] = set()
        self.used: set[str] = set()
        self.words = _Words()
        self.depth = self.size = 0

    def peek(self) -> str:
        return self.word[self.at] if self.at < len(self.word) else _END

    def next(self) -> str:
        character = self.peek()
        self.at += 1
        return character

    def until(self, stop: str, raw_escapes: bool, pattern: bool = False) -> tuple[str, list[str]]:
        outer = self.raw_escapes, self.pattern
        self.raw_escapes, self.pattern = raw_escapes, pattern
        # The reference has one buffer for all depths: an operator's word empties what stands before it in its own.
        above, self.words = self.words, _Words()
        above.word.clear()
        self.depth += 1
        if self.depth > _DEEPEST:
            raise WordError(f"more than {_DEEPEST} substitutions inside each other")
        try:
            return self._until(stop)
        finally:
            self.depth -= 1
            (self.raw_escapes, self.pattern), self.words = outer, above

    def _until(self, stop: str) -> tuple[str, list[str]]:
        result: list[str] = []
        words = self.words
        while (character := self.peek()) != _END:
            ordinary = _ORDINARY.match(self.word, self.at)
            if ordinary:
                self.at = ordinary.end()
                words.add_raw(ordinary[0])
                result.append(ordinary[0])
            elif character == stop:
                self.next()
                return "".join(result), words.close()
            elif character == "$":
                result.append(value := self.variable())
                self.grow(len(value))
                words.add(value)
            elif character == "<":
                result.append(value := self.angle())
                words.add_raw(value)
            elif character in "'\"" and self.quotes:
                result.append(value := self.single() if character == "'" else self.double())
                words.add_raw(value)
            elif not self.plain(result, words):
                break
        if stop != _END:
            raise WordError(f"unexpected end of statement while looking for matching {stop}")
        return "".join(result), words.close()

    def plain(self, result: list[str], words: _Words) -> bool:
        character = self.next()
        if character != self.escape:
            words.add(character)
            result.append(character)
            return True
        if self.raw_escapes:
            words.add_raw(character)
            result.append(character)
        character = self.next()
        if character == _END:
            return False
        words.add_raw(character)
        result.append(character)
        return True

    def angle(self) -> str:
        """``<``, or ``<<`` with the blanks after it: a heredoc's name may stand behind them."""
        start = self.at
        self.at += 1
        if self.peek() == "<":
            self.at += 1
            while self.peek() and self.peek() in "\t\r ":
                self.at += 1
        return self.word[start : self.at]

    def single(self) -> str:
        end = self.word.find("'", self.at + 1)
        if end < 0:
            raise WordError("unexpected end of statement while looking for matching single-quote")
        inner, self.at = self.word[self.at + 1 : end], end + 1
        if self.pattern:
            # A pattern is read once more, and an escape in quotes is none.
            inner = inner.replace(self.escape, self.escape * 2)
        return f"'{inner}'" if self.raw_quotes else inner

    def double(self) -> str:
        result = [self.next()] if self.raw_quotes else [self.next()][:0]
        while (character := self.peek()) != '"':
            if character == _END:
                raise WordError("unexpected end of statement while looking for matching double-quote")
            result.append(self.variable() if character == "$" else self.quoted())
            self.grow(len(result[-1]))
        self.next()
        if self.raw_quotes:
            result.append('"')
        return "".join(result)

    def quoted(self) -> str:
        character = self.next()
        if character != self.escape:
            return character
        following = self.peek()
        if following == _END:
            return ""
        if following in ('"', "$", self.escape):
            return (character if self.raw_escapes else "") + self.next()
        return character * (2 if self.raw_escapes and (self.pattern or not self.raw_quotes) else 1)

    def variable(self) -> str:
        self.next()
        if self.peek() != "{":
            name = self.name()
            if not name:
                return "$"
            value = self.get(name)
            return f"${name}" if value is None and self.keep_unset else value or ""
        self.next()
        if self.peek() == _END:
            raise WordError("syntax error: missing '}'")
        if self.peek() in "{}:":
            raise WordError("syntax error: bad substitution")
        return self.braced(self.name())

    def braced(self, name: str) -> str:
        operator = written = self.next()
        if operator == "}":
            value = self.get(name)
            return f"${{{name}}}" if value is None and self.keep_unset else value or ""
        if operator == "/":
            return self.replaced(name)
        if operator == ":":
            operator = self.next()
            written += operator
        elif operator not in ("+", "-", "?", "#", "%"):
            raise WordError(f"unsupported modifier ({written.strip()}) in substitution")
        pattern = operator in ("#", "%")
        if pattern and len(written) > 1:
            raise WordError(f"unsupported modifier ({written.strip()}) in substitution")
        word = self.argument("}", pattern, "'}'", pattern)
        value = self.get(name)
        if value is None and self.keep_unset:
            return f"${{{name}{written}{word}}}"
        return modify(name, written, operator, word, value)

    def replaced(self, name: str) -> str:
        everywhere = self.peek() == "/"
        if everywhere:
            self.next()
        pattern = self.argument("/", True, "'/' in ${}", True)
        replacement = self.argument("}", True, "'}'")
        value = self.get(name)
        if value is None and self.keep_unset:
            return f"${{{name}/{pattern}/{replacement}}}"
        return replace(value or "", pattern, replacement, everywhere=everywhere)

    def argument(self, stop: str, raw_escapes: bool, meaning: str, pattern: bool = False) -> str:
        try:
            return self.until(stop, raw_escapes, pattern)[0]
        except WordError:
            if self.peek() == _END:
                raise WordError(f"syntax error: missing {meaning}") from None
            raise

    def name(self) -> str:
        start = self.at
        first = self.peek()
        if first.isdecimal():
            while self.peek().isdecimal():
                self.at += 1
        elif first != _END and first in _SPECIAL:
            self.at += 1
        else:
            while (character := self.peek()) and is_name(character):
                self.at += 1
        return self.word[start : self.at]

    def grow(self, more: int) -> None:
        self.size += more
        check_length(self.size)

    def get(self, name: str) -> str | None:
        value = self.variables.get(name)
        (self.unset if value is None else self.used).add(name)
        return value
