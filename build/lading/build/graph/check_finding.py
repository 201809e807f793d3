"""What a check found in a Dockerfile."""

from __future__ import annotations

from lading.build.errors import Place
from lading.store.errors import LadingError
from lading.store.fastclass import dataclass


@dataclass(frozen=True, slots=True, order=True)
class CheckFinding:
    """Where it is, by which rule (BuildKit's names), and what to do about it."""

    place: Place
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.rule}: {self.message}"


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What the checks found by line, and the error, where there is one, that ends a build before its first step."""

    findings: tuple[CheckFinding, ...]
    error: LadingError | None = None
