"""Reading a call's words without typer, which takes longer to load than most calls last.

typer stays the one place where commands are declared, helped and complained about: `forms` is generated from the
declarations, and a call that is anything but plainly right (help, a mistake, a command that is not built yet) is left
to typer from its first word on. What this reads, it reads as typer would.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Final, cast

from lading.cli.calls.command_table import COMMANDS, CommandEntry
from lading.cli.calls.forms import FORMS, Argument, Option
from lading.cli.calls.option_values import boolean
from lading.cli.cli_session import CliSession, Color
from lading.store.errors import UsageError

Values = dict[str, object]
_FLAGS: Final = ("flag", "off")


class UnsureError(Exception):
    """These words are for typer to read."""


class Call:
    """What to call: the command's entry in the table, its name, and the values that were given."""

    __slots__ = ("entry", "name", "outer", "values")

    def __init__(self, words: Sequence[str]) -> None:
        self.outer, rest = read("", words, verbatim=True)
        self.entry, self.name, rest = _command(rest)
        given, more = read(self.module, rest, verbatim=self.entry.failure is not None)
        if more:
            raise UnsureError
        self.values = {**(self.entry.preset or {}), **given}

    @property
    def module(self) -> str:
        """Below `lading.cli.commands`; the command is the function of its last name in it."""
        return self.entry.module or self.name

    @property
    def command(self) -> Callable[..., object]:
        """The function that does it."""
        return cast(
            "Callable[..., object]", getattr(import_module(f"lading.cli.commands.{self.module}"), self.entry.function)
        )

    def session(self) -> CliSession:
        """The session of the call."""
        given: dict[str, Any] = {"root": None, "color": Color.auto, **self.outer}
        return CliSession.from_environment(**given)


def _command(words: Sequence[str]) -> tuple[CommandEntry, str, Sequence[str]]:
    table = COMMANDS
    for number, word in enumerate(words):
        entry = table.get(word)
        if entry is None or entry.later:
            break
        if entry.commands is None:
            return entry, word, words[number + 1 :]
        table = dict(entry.commands)
    raise UnsureError


def read(form: str, words: Sequence[str], *, verbatim: bool) -> tuple[Values, Sequence[str]]:
    """The values of a form's parameters that were given, and the words left over.

    verbatim: the first word that is no option ends them.
    Raises `UnsureError`.
    """
    if form not in FORMS:
        raise UnsureError
    options, arguments, required = FORMS[form]
    reader = _Reader(options, words)
    reader.all(verbatim=verbatim)
    left = reader.place(arguments)
    if not reader.values.keys() >= set(required):
        raise UnsureError
    return reader.values, left


class _Reader:
    def __init__(self, options: dict[str, Option], words: Sequence[str]) -> None:
        self.values: Values = {}
        self._options = options
        self._coming = list(reversed(words))
        self._loose: list[str] = []

    def all(self, *, verbatim: bool) -> None:
        while self._coming:
            word = self._coming.pop()
            if word == "--":
                break
            if len(word) > 1 and word.startswith("-"):
                self._option(word)
                continue
            self._loose.append(word)
            if verbatim:
                break
        self._loose += reversed(self._coming)

    def _option(self, word: str) -> None:
        name, equals, value = word.partition("=")
        if name in self._options:
            self._take(name, value if equals else None)
        elif word.startswith("--"):
            raise UnsureError
        else:
            self._cluster(word[1:])

    def _cluster(self, letters: str) -> None:
        for number, letter in enumerate(letters, 1):
            name, rest = f"-{letter}", letters[number:]
            if name not in self._options:
                raise UnsureError
            if self._options[name][1] not in _FLAGS:
                return self._take(name, rest or None)
            self._take(name, None)
        return None

    def _take(self, name: str, value: str | None) -> None:
        target, kind, many = self._options[name]
        if kind in _FLAGS:
            self.values[target] = (kind == "flag") is (value is None or _boolean(value))
            return
        if value is None:
            if not self._coming:
                raise UnsureError
            value = self._coming.pop()
        found = convert(kind, value)
        if many:
            cast("list[object]", self.values.setdefault(target, [])).append(found)
        else:
            self.values[target] = found

    def place(self, arguments: Sequence[Argument]) -> Sequence[str]:
        """Gives the words that are no options to the arguments; what is left over."""
        left = self._loose
        for target, kind, many in arguments:
            if many and left:
                self.values[target], left = [convert(kind, word) for word in left], []
            elif left:
                self.values[target], left = convert(kind, left[0]), left[1:]
        return left


def _boolean(text: str) -> bool:
    try:
        return boolean(text, "") is True
    except UsageError:
        raise UnsureError from None


_NUMBERS: Final = {"int": int, "float": float}


def convert(kind: str, text: str) -> object:
    """A word as the type that the declaration asks for. Raises `UnsureError`."""
    if kind == "str":
        return text
    try:
        if kind in _NUMBERS:
            return _NUMBERS[kind](text)
        if kind == "path":
            return _path(text)
        module, _, name = kind.partition(":")
        return getattr(import_module(module), name)(text)
    except ValueError:
        raise UnsureError from None


def _path(text: str) -> object:
    from pathlib import Path  # noqa: PLC0415

    if os.path.exists(text) and not os.access(text, os.R_OK):
        raise UnsureError
    return Path(text)
