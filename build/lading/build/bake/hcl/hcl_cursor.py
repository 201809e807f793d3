"""A place in the text of a bake file that moves on: spaces, comments, newlines, signs and names."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, Protocol

from lading.build.bake.hcl.hcl_nodes import HclNode
from lading.build.bake.hcl.hcl_source import HclError, HclPlace
from lading.store.system.patterns import pattern

_BLANK: Final = pattern(r"(?:[ \t]|\r(?=\n)|(?:#|//)[^\n]*|/\*.*?\*/)+", re.DOTALL)
_BLANK_LINES: Final = pattern(r"(?:[ \t\r\n]|(?:#|//)[^\n]*|/\*.*?\*/)+", re.DOTALL)
_NAME: Final = pattern(r"[^\W\d][\w-]*")
_SIGN: Final = pattern(r"=>|==|!=|<=|>=|&&|\|\||\.\.\.|[-+*/%<>!?:=.,(){}\[\]\n]")
_MAX_DEPTH: Final = 100


class StringReader(Protocol):
    """Reads what expressions contain and what itself contains expressions."""

    def quoted(self, cursor: HclCursor) -> HclNode:
        """A string in quotes, at the first of which the cursor stands. Raises `HclError`."""
        ...

    def heredoc(self, cursor: HclCursor, spot: HclPlace, mark: str, *, flush: bool) -> HclNode:
        """Lines up to `mark`, of which the first comes next. Raises `HclError`."""
        ...


class HclCursor:
    """Reads `text` of `file`, whose first line has the number `line`. `lines` says whether a newline counts."""

    def __init__(self, file: str, text: str, line: int = 1, *, strings: StringReader | None = None) -> None:
        self.file, self.text, self.line, self.strings = file, text, line, strings
        self.place = 0
        self.lines = True
        self._depth = 0

    def spot(self, place: int | None = None) -> HclPlace:
        """Where it is, after spaces, else where `place` is."""
        if place is None:
            self.skip()
            place = self.place
        start = self.text.rfind("\n", 0, place) + 1
        return HclPlace(self.file, self.line + self.text.count("\n", 0, place), place - start + 1)

    def error(self, message: str) -> HclError:
        """That something is wrong here."""
        return HclError(self.spot(), message)

    def skip(self) -> None:
        """Passes over spaces and comments, and over newlines where they do not count."""
        found = (_BLANK if self.lines else _BLANK_LINES).match(self.text, self.place)
        if found:
            self.place = found.end()

    def sign(self) -> str:
        """The sign that comes next, "" where something else does."""
        self.skip()
        found = _SIGN.match(self.text, self.place)
        return found[0] if found else ""

    def take(self, *signs: str) -> str:
        """Passes over one of `signs` if it comes next; which, "" if none."""
        found = self.sign()
        if found not in signs:
            return ""
        self.place += len(found)
        return found

    def need(self, sign: str, after: str) -> None:
        """Raises `HclError` where `sign` does not come next."""
        if not self.take(sign):
            raise self.error(f"expected {sign!r} after {after}, found {self.found()}")

    def name(self) -> str:
        """Passes over a name if one comes next; "" if none."""
        self.skip()
        found = _NAME.match(self.text, self.place)
        if not found:
            return ""
        self.place = found.end()
        return found[0]

    def word(self, word: str) -> bool:
        """Passes over `word` if that name comes next."""
        start = self.place
        if self.name() == word:
            return True
        self.place = start
        return False

    def match(self, what: re.Pattern[str]) -> re.Match[str] | None:
        """Passes over what `what` fits right here, without looking for spaces."""
        found = what.match(self.text, self.place)
        if found:
            self.place = found.end()
        return found

    def found(self) -> str:
        """What comes next, for errors."""
        rest = self.text[self.place : self.place + 1]
        return {"": "the end of the file", "\n": "the end of the line"}.get(rest, repr(rest))

    @contextmanager
    def inside(self, *, lines: bool) -> Generator[None, None, None]:
        """Within brackets newlines count or not, and brackets are only so deep. Raises `HclError`."""
        before, self.lines = self.lines, lines
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self.error(f"nested more than {_MAX_DEPTH} deep")
        yield
        self.lines = before
        self._depth -= 1
