"""``--chmod``: an octal mode, or changes of one as chmod(1) has them.

The rules are the reference's (hg.sr.ht/~dchapes/mode, BSD's ``setmode``): each clause becomes commands that set, clear
or copy bits of a mode, one after the other.
"""

from __future__ import annotations

import re
from typing import Final

from lading.build.errors import TextError
from lading.store.fastclass import dataclass

_ALL: Final = 0o6777
_STICKY: Final = 0o1000
_EXECUTE: Final = 0o111
_WHO: Final = {"a": _ALL, "u": 0o4700, "g": 0o2070, "o": 0o007}
_BITS: Final = {"r": 0o444, "w": 0o222, "x": 0o111}
_SHIFTS: Final = {"u": 6, "g": 3, "o": 0}


@dataclass(frozen=True, slots=True)
class _Command:
    """Does `kind` (``+``, ``-``, ``X`` or whose bits are copied) to `bits`; a copy sets, clears or does both."""

    kind: str
    bits: int
    how: str = ""


@dataclass(frozen=True, slots=True)
class FileMode:
    """A mode, or the changes of one: `text` is the same for all spellings of an octal mode."""

    text: str
    octal: int | None = None
    commands: tuple[_Command, ...] = ()

    def of(self, permissions: int, *, folder: bool) -> int:
        """The mode of what had `permissions`."""
        if self.octal is not None:
            return self.octal
        found = permissions
        for command in self.commands:
            found = _apply(command, found, executable=folder or bool(permissions & _EXECUTE))
        return found


def parse_mode(text: str) -> FileMode:
    """An octal mode up to 07777, or symbolic changes. Raises `TextError`."""
    if re.fullmatch(r"[0-7]+", text) and int(text, 8) <= 0o7777:
        return FileMode(f"{int(text, 8):04o}", int(text, 8))
    if text[:1].isdigit():
        raise TextError(f"not a mode: {text!r} (an octal number from 0 to 07777)")
    commands: list[_Command] = []
    for clause in text.split(","):
        _Clause(text, clause, commands).read()
    return FileMode(text, None, tuple(commands))


@dataclass(slots=True)
class _Clause:
    """One clause while it is read into `commands`."""

    text: str
    rest: str
    commands: list[_Command]
    who: int = 0
    done: bool = False

    def read(self) -> None:
        while self.rest and self.rest[0] in _WHO:
            self.who |= _WHO[self.rest[0]]
            self.rest = self.rest[1:]
        self._action()
        while self.rest:
            self._action()

    def _action(self) -> None:
        operator, self.rest = self.rest[:1], self.rest[1:]
        if operator not in ("+", "-", "="):
            raise TextError(f"not a mode: {self.text!r} (an octal number, or changes like u+x and go=rX)")
        self.who &= ~_STICKY
        self.done = False
        permissions = execute = 0
        while self.rest and self.rest[0] in "rwxXstugo":
            letter, self.rest = self.rest[0], self.rest[1:]
            if letter in _SHIFTS:
                self._flush(operator, permissions, execute)
                permissions = execute = 0
                self.done = True
                self.commands.append(_Command(letter, self._copied(), operator))
            elif letter == "X" and operator != "-":
                execute = _EXECUTE
            else:
                permissions |= self._bits(letter)
        self._flush(operator, permissions, execute, empty=operator == "=" and not self.done)

    def _bits(self, letter: str) -> int:
        if letter in "st" and self.who and not self.who & ~0o007:
            return 0  # set-ID and sticky are not the others' to have
        if letter == "t":
            self.who |= _STICKY
            return _STICKY
        return 0o6000 if letter == "s" else _BITS[letter.lower()]

    def _flush(self, operator: str, permissions: int, execute: int, *, empty: bool = False) -> None:
        mask = self.who or 0o7777
        if permissions or empty:
            if operator == "=":
                self.commands.append(_Command("-", self.who or _ALL))
            self.commands.append(_Command("-" if operator == "-" else "+", permissions & mask))
        if execute:
            self.commands.append(_Command("X", execute & mask))

    def _copied(self) -> int:
        """The bits that a copy may change."""
        whose = [bits & 0o777 for name, bits in _WHO.items() if name != "a" and self.who & bits & 0o777]
        return sum(whose) if self.who else 0o777


def _apply(command: _Command, mode: int, *, executable: bool) -> int:
    if command.kind == "+":
        return mode | command.bits
    if command.kind == "-":
        return mode & ~command.bits
    if command.kind == "X":
        return mode | command.bits if executable else mode
    value = mode >> _SHIFTS[command.kind] & 0o7
    copied = (value << 6 | value << 3 | value) & command.bits
    if command.how == "=":
        return mode & ~command.bits | copied
    return mode | copied if command.how == "+" else mode & ~copied
