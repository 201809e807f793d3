"""Templates as words: the text between actions, and the tokens within them (Go's text/template/parse/lex.go)."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Final, NamedTuple

from lading.store.errors import UsageError
from lading.store.system.patterns import pattern

KEYWORDS: Final = frozenset({"if", "else", "end", "range", "with", "break", "continue", "define", "template", "block"})
MAX_TEMPLATE: Final = 64 * 1024
_TRIMMED: Final = " \t\r\n"
_TOKENS: Final = pattern(
    r"""
    (?P<space>[ \t\r\n]+)
  | (?P<string>"(?:\\[^\n]|[^"\\\n])*")
  | (?P<raw>`[^`]*`)
  | (?P<character>'(?:\\[^\n][0-9a-fA-F]*|[^'\\\n])')
  | (?P<field>\.[^\W\d]\w*)
  | (?P<number>[+-]?(?:0[xXbBoO][0-9a-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)(?!\w))
  | (?P<dot>\.)
  | (?P<variable>\$\w*)
  | (?P<name>[^\W\d]\w*)
  | (?P<sign>:=|[=|(),])
    """,
    re.VERBOSE,
)
# What stands by itself must end where another word could begin.
_WORDS: Final = frozenset({"field", "variable", "name", "dot"})
_ENDS: Final = frozenset(" \t\r\n.,|:=)(")


class Token(NamedTuple):
    """A word of a template: `kind` is a group of `_TOKENS`, or ``text``, ``open``, ``close``, ``end``."""

    kind: str
    text: str


def fault(message: str) -> UsageError:
    """A template that cannot be read."""
    return UsageError(f"--format: {message}", hint="it is a Go template, as docker takes it: {{.ID}}, {{json .}}")


def tokens(template: str) -> Iterator[Token]:
    """All of a template; spaces within actions are tokens too. Raises `UsageError`."""
    if len(template) > MAX_TEMPLATE:
        raise fault(f"more than {MAX_TEMPLATE} characters")
    at, trim = 0, False
    while (begin := template.find("{{", at)) >= 0:
        trims = template.startswith("{{-", begin) and template[begin + 3 : begin + 4] in tuple(_TRIMMED)
        yield from _text(template[at:begin], trim, trims)
        start = begin + (3 if trims else 2)
        at, trim = _comment(template, start) or (0, False)
        if not at:
            at, trim = yield from _action(template, start)
    yield from _text(template[at:], trim, False)
    yield Token("end", "")


def _text(text: str, left: bool, right: bool) -> Iterator[Token]:
    text = text.lstrip(_TRIMMED) if left else text
    text = text.rstrip(_TRIMMED) if right else text
    if text:
        yield Token("text", text)


def _comment(template: str, start: int) -> tuple[int, bool] | None:
    """Where a comment ends, and whether it trims; None where there is none."""
    opened = len(template[start:]) - len(template[start:].lstrip(_TRIMMED)) + start
    at = opened if template.startswith("{{-", start - 3) else start
    if not template.startswith("/*", at):
        return None
    close = template.find("*/", at + 2)
    found = re.compile(r"[ \t\r\n]+-\}\}|\}\}").match(template, close + 2) if close >= 0 else None
    if found is None:
        raise fault("unclosed comment")
    return found.end(), len(found.group()) > 2


def _action(template: str, at: int) -> Generator[Token, None, tuple[int, bool]]:
    """The tokens of one action; what the generator returns is where it ends and whether it trims."""
    yield Token("open", "{{")
    while True:
        if end := re.compile(r"([ \t\r\n]-)?\}\}").match(template, at):
            yield Token("close", "}}")
            return end.end(), bool(end.group(1))
        found = _TOKENS.match(template, at)
        if found is None or found.lastgroup is None:
            raise fault(_unknown(template[at : at + 1]))
        at = found.end()
        after = template[at : at + 1]
        if found.lastgroup == "space" and template.startswith("-}}", at):
            at -= 1  # the last space is part of the trim marker
        if found.lastgroup in _WORDS and after and after not in _ENDS and not template.startswith("}}", at):
            raise fault(f"bad character {after!r} after {found.group()!r}")
        yield Token(found.lastgroup, found.group())


def _unknown(character: str) -> str:
    if not character:
        return "unclosed action"
    return f"unterminated quoted string at {character}" if character in "\"`'" else f"unexpected {character!r}"
