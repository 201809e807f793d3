"""Text in quotes and heredocs to templates."""

from __future__ import annotations

import re
from typing import Final

from lading.build.bake.hcl.hcl_cursor import HclCursor, StringReader
from lading.build.bake.hcl.hcl_expressions import expression, turns
from lading.build.bake.hcl.hcl_loops import ForPart, IfPart, TextTemplate
from lading.build.bake.hcl.hcl_nodes import HclNode, Literal
from lading.build.bake.hcl.hcl_source import HclPlace
from lading.store.fastclass import dataclass, field
from lading.store.system.patterns import pattern

_PLAIN: Final = pattern(r'[^"\\$%\n]+')
_PLAIN_LINES: Final = pattern(r"[^$%]+")
_BEGIN: Final = pattern(r"([$%])\{(~?)")
_ESCAPED: Final = pattern(r"(\$\$|%%)\{")
_UNICODE: Final = pattern(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")
_LAST_CHARACTER: Final = 0x10FFFF
_SURROGATES: Final = range(0xD800, 0xE000)
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_SPACE: Final = " \t\r\n"


def quoted(cursor: HclCursor) -> HclNode:
    """A string in quotes; the cursor stands at the first of them. Raises `HclError`."""
    return _TemplateReader(cursor, cursor.spot(), quotes=True).read()


def template(file: str, text: str, spot: HclPlace, line: int = 1) -> HclNode:
    """All of `text` as a template, as heredocs and strings of JSON are. Raises `HclError`."""
    return _TemplateReader(HclCursor(file, text, line, strings=STRINGS), spot, quotes=False).read()


def _heredoc(cursor: HclCursor, spot: HclPlace, mark: str, *, flush: bool) -> HclNode:
    """Lines up to one that is `mark` alone; with `flush` without the indentation that all have. Raises `HclError`."""
    end = re.compile(rf"^[ \t]*{re.escape(mark)}[ \t\r]*$", re.MULTILINE).search(cursor.text, cursor.place)
    if end is None:
        raise cursor.error(f"the text that << begins has no end: a line {mark} alone")
    line = spot.line + 1
    text = cursor.text[cursor.place : end.start()]
    cursor.place = end.end()
    return template(cursor.file, _flushed(text) if flush else text, spot, line)


def _flushed(text: str) -> str:
    lines = text.splitlines(keepends=True)
    indents = [len(line) - len(line.lstrip()) for line in lines if line.strip()]
    least = min(indents, default=0)
    return "".join(line[least:] if line.strip() else line for line in lines)


@dataclass(slots=True)
class _Parts:
    """What is read so far of one level: parts, and the text under way."""

    spot: HclPlace
    parts: list[HclNode] = field(default_factory=list["HclNode"])
    text: str = ""
    stripping: bool = False
    values: int = 0

    def add(self, text: str) -> None:
        if self.stripping and text:
            text = text.lstrip(_SPACE)
            self.stripping = not text
        self.text += text

    def flush(self, *, strip: bool = False) -> None:
        """Ends the text under way before something else; with `strip` without its last spaces."""
        text = self.text.rstrip(_SPACE) if strip else self.text
        if text:
            self.parts.append(Literal(self.spot, text))
        self.text, self.stripping = "", False

    def made(self) -> TextTemplate:
        self.flush()
        if not self.parts:
            return TextTemplate(self.spot, (Literal(self.spot, ""),))
        return TextTemplate(self.spot, tuple(self.parts), alone=self.values == 1 and len(self.parts) == 1)


class _TemplateReader:
    def __init__(self, cursor: HclCursor, spot: HclPlace, *, quotes: bool) -> None:
        self._cursor, self._spot, self._quotes = cursor, spot, quotes

    def read(self) -> HclNode:
        cursor = self._cursor
        cursor.place += self._quotes
        found = self._parts()
        if self._quotes and not cursor.text.startswith('"', cursor.place):
            raise cursor.error("a string in quotes ends on its line: write \\n, or a heredoc (<<EOT)")
        cursor.place += self._quotes
        if not self._quotes and cursor.place < len(cursor.text):
            raise cursor.error("%{ else } or an end without its beginning")
        return found

    def _parts(self) -> TextTemplate:
        """Up to the end of the text, or to a directive that belongs to what is around."""
        cursor, parts = self._cursor, _Parts(self._spot)
        while not self._ended():
            if found := cursor.match(_PLAIN if self._quotes else _PLAIN_LINES):
                parts.add(found[0])
            elif found := cursor.match(_ESCAPED):
                parts.add(found[1][0] + "{")
            elif self._quotes and cursor.text.startswith("\\", cursor.place):
                parts.add(self._escape())
            elif found := _BEGIN.match(cursor.text, cursor.place):
                if found[1] == "%" and self._closes():
                    parts.flush(strip=bool(found[2]))
                    return parts.made()
                cursor.place = found.end()
                parts.flush(strip=bool(found[2]))
                parts.parts.append(self._value(parts) if found[1] == "$" else self._directive(parts))
            else:
                parts.add(cursor.text[cursor.place])
                cursor.place += 1
        return parts.made()

    def _ended(self) -> bool:
        rest = self._cursor.text[self._cursor.place : self._cursor.place + 1]
        return not rest or (self._quotes and rest in '"\n')

    def _closes(self) -> bool:
        """Whether the directive here ends a level, or its first half."""
        return bool(re.match(r"%\{~?\s*(?:else|endif|endfor)\b", self._cursor.text[self._cursor.place :]))

    def _escape(self) -> str:
        cursor = self._cursor
        if found := cursor.match(_UNICODE):
            number = int(found[1] or found[2], 16)
            if number > _LAST_CHARACTER or number in _SURROGATES:
                raise cursor.error(f"{found[0]} is no character")
            return chr(number)
        letter = cursor.text[cursor.place + 1 : cursor.place + 2]
        if letter not in _ESCAPES or not letter:
            raise cursor.error(f'\\{letter} is no escape: \\n, \\r, \\t, \\", \\\\, \\uNNNN and \\UNNNNNNNN are')
        cursor.place += 2
        return _ESCAPES[letter]

    def _close(self, parts: _Parts, after: str) -> None:
        self._cursor.skip()
        stripped = self._cursor.text.startswith("~}", self._cursor.place)
        self._cursor.place += stripped
        self._cursor.need("}", after)
        parts.stripping = stripped

    def _value(self, parts: _Parts) -> HclNode:
        with self._cursor.inside(lines=False):
            found = expression(self._cursor)
            self._close(parts, "a value in a string")
        parts.values += 1
        return found

    def _directive(self, parts: _Parts) -> HclNode:
        cursor = self._cursor
        spot = cursor.spot()
        with cursor.inside(lines=False):
            if cursor.word("if"):
                condition = expression(cursor)
                yes, no = self._level(), TextTemplate(spot, (Literal(spot, ""),))
                if self._opens("else"):
                    no = self._level()
                self._end(parts, "endif")
                return IfPart(spot, condition, yes, no)
            if cursor.word("for"):
                found = turns(cursor)
                each = self._level()
                self._end(parts, "endfor")
                return ForPart(spot, found, each)
        raise cursor.error("a template knows %{ if }, %{ else }, %{ endif }, %{ for } and %{ endfor }")

    def _level(self) -> TextTemplate:
        inner = _Parts(self._spot)
        self._close(inner, "a directive")
        return self._parts_after(inner.stripping)

    def _parts_after(self, stripping: bool) -> TextTemplate:
        if stripping:
            self._cursor.match(pattern(r"\s+"))
        return self._parts()

    def _opens(self, word: str) -> bool:
        start = self._cursor.place
        if not self._cursor.match(_BEGIN) or not self._cursor.word(word):
            self._cursor.place = start
            return False
        return True

    def _end(self, parts: _Parts, word: str) -> None:
        if not self._opens(word):
            raise self._cursor.error(f"expected %{{ {word} }}")
        self._close(parts, word)


class _Strings:
    def quoted(self, cursor: HclCursor) -> HclNode:
        return quoted(cursor)

    def heredoc(self, cursor: HclCursor, spot: HclPlace, mark: str, *, flush: bool) -> HclNode:
        return _heredoc(cursor, spot, mark, flush=flush)


STRINGS: Final[StringReader] = _Strings()
"""For every cursor over a bake file."""
