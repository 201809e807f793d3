"""Private keys as options name them, and the passwords that open them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lading.store.errors import InputError

if TYPE_CHECKING:
    from lading.host.trust.signing_keys import SigningKeyText

_SCHEMES: Final = ("env://", "env:")
_FILE: Final = "LADING_PASSWORD_FILE"


class KeyPasswords:
    """LADING_PASSWORD, the file that LADING_PASSWORD_FILE names, COSIGN_PASSWORD; else the terminal is asked."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def given(self) -> tuple[bytes, str] | None:
        """The password that was given, and by which variable. Raises `InputError` for a file that cannot be read."""
        for name in ("LADING_PASSWORD", _FILE, "COSIGN_PASSWORD"):
            value = self._environment.get(name)
            if name == _FILE and value:
                return _read(Path(value)), name
            if name != _FILE and value is not None:
                return os.fsencode(value), name
        return None

    @property
    def terminal(self) -> bool:
        """Whether somebody is there to be asked."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def ask(self, prompt: str) -> bytes | None:
        """What is typed at the terminal; None where there is none."""
        if not self.terminal:
            return None
        from lading.cli.display.questions import ask  # noqa: PLC0415

        try:
            return os.fsencode(ask(f"{prompt}: ", secret=True))
        except EOFError:
            raise InputError("no password was typed") from None

    def new(self) -> bytes:
        """That of a new key: given, or typed twice, or empty."""
        if (given := self.given()) is not None:
            return given[0]
        first = self.ask("Password for the new key (may be empty)")
        if first is not None and self.ask("The same again") != first:
            raise InputError("the two passwords differ")
        return first or b""


def _read(path: Path) -> bytes:
    from lading.host.trust.keyring import read_file  # noqa: PLC0415

    return read_file(path, f"{_FILE} names it").removesuffix(b"\n").removesuffix(b"\r")


def named_key(word: str, environment: Mapping[str, str]) -> SigningKeyText:
    """The key in a file, in a pipe, or in a variable (env:NAME, or env://NAME as cosign writes it)."""
    from lading.host.trust.signing_keys import SigningKeyText  # noqa: PLC0415

    for scheme in _SCHEMES:
        if word.startswith(scheme):
            name = word.removeprefix(scheme)
            if name not in environment:
                raise InputError(f"{word}: there is no variable {name!r}")
            return SigningKeyText(word, os.fsencode(environment[name]))
    return SigningKeyText.read(Path(word))
