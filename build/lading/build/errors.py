"""The errors of a build, beside those of `lading.store.errors`."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager

from lading.store.errors import InputError, LadingError
from lading.store.fastclass import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where in a Dockerfile something stands: the file's name as given, first and last line, first column (from 1)."""

    file: str
    line: int
    end: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class TextError(ValueError):
    """What is written cannot be understood; the message is for the user, and does not say where it is written."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class DockerfileError(InputError):
    """A Dockerfile cannot be understood or built: file, line, word and, where there is one, a hint."""

    def __init__(self, place: Place, message: str, *, hint: str | None = None) -> None:
        super().__init__(f"{place}: {message}", hint=hint)
        self.place = place


class StepError(DockerfileError):
    """A step was executed and failed; `log` holds the last lines it wrote."""

    def __init__(self, place: Place, message: str, *, log: tuple[str, ...] = (), hint: str | None = None) -> None:
        super().__init__(place, message, hint=hint)
        self.log = log


@contextmanager
def reading(place: Place, subject: str = "") -> Generator[None, None, None]:
    """Says where in the Dockerfile, and of what there, something cannot be understood."""
    try:
        yield
    except TextError as error:
        raise DockerfileError(place, f"{subject}{error}", hint=error.hint) from None


@contextmanager
def placed(place: Place) -> Generator[None, None, None]:
    """Says where in the Dockerfile an error of others comes from; what kind of error it is stays."""
    try:
        yield
    except DockerfileError:
        raise
    except LadingError as error:
        error.reword(f"{place}: {error.message}")
        raise


@contextmanager
def naming_target(name: str) -> Generator[None, None, None]:
    """Says which target of a bake file an error is of; what kind of error it is stays."""
    try:
        yield
    except LadingError as error:
        if not error.message.startswith(f"target {name}"):
            error.reword(f"target {name}: {error.message}")
        raise


def suggestion(word: str, known: Iterable[str]) -> str:
    """`` (did you mean X?)`` where something known is near `word`, else nothing."""
    import difflib  # noqa: PLC0415 - only errors need it

    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {near[0]}?)" if near else ""
