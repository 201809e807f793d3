"""Places in a bake file, and errors that say them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from lading.build.errors import TextError
from lading.store.errors import InputError
from lading.store.fastclass import dataclass


@dataclass(frozen=True, slots=True)
class HclPlace:
    """Where in a file something stands: its name as given, line and column from 1; in JSON the names around it."""

    file: str
    line: int
    column: int
    path: str = ""

    def __str__(self) -> str:
        if self.line:
            return f"{self.file}:{self.line}:{self.column}"
        return f"{self.file}: {self.path}" if self.path else self.file

    def below(self, name: str) -> HclPlace:
        """In JSON, what has this name there."""
        return HclPlace(self.file, 0, 0, f"{self.path}.{name}" if self.path else name)


class BakeError(InputError):
    """A bake file cannot be understood, or does not say what it should."""


class HclError(BakeError):
    """The same of one place in it; `undefined` where a name means nothing."""

    def __init__(self, spot: HclPlace, message: str, *, hint: str | None = None, undefined: bool = False) -> None:
        super().__init__(f"{spot}: {message}", hint=hint)
        self.spot, self.undefined = spot, undefined


@contextmanager
def at(spot: HclPlace, subject: str = "") -> Generator[None, None, None]:
    """Says where, and of what there, something cannot be understood."""
    try:
        yield
    except TextError as error:
        raise HclError(spot, f"{subject}{error}", hint=error.hint) from None
