"""What one judgement may cost a registry's client: requests, bytes and time, whatever the registry says."""

from __future__ import annotations

import time
from contextvars import ContextVar, Token
from typing import Final, Self

from lading.registry.client_config import Limits
from lading.verify.evidence.evidence import ExhaustedError

_SPENT: Final[ContextVar[Budget | None]] = ContextVar("budget", default=None)


class Budget:
    """Counts what this thread asks of registries while it is entered; it may be entered again."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._requests = self._bytes = 0
        self._ends: float | None = None
        self._tokens: list[Token[Budget | None]] = []

    @property
    def ends(self) -> float:
        """Monotonic time at which it is used up; it began when it was first entered."""
        if self._ends is None:
            self._ends = time.monotonic() + self._limits.seconds
        return self._ends

    def ask(self) -> None:
        """One more request. Raises `ExhaustedError`."""
        self._requests += 1
        if self._requests > self._limits.requests:
            raise self._exhausted(f"{self._limits.requests} requests", "requests")
        self.wait(0)

    def wait(self, seconds: float) -> None:
        """Somebody means to wait for so long. Raises `ExhaustedError`."""
        if time.monotonic() + seconds > self.ends:
            raise self._exhausted(f"{self._limits.seconds:.0f} seconds", "seconds")

    def receive(self, count: int) -> None:
        """So many bytes came. Raises `ExhaustedError`."""
        self._bytes += count
        if self._bytes > self._limits.bytes:
            raise self._exhausted(f"{self._limits.bytes} bytes", "bytes")
        self.wait(0)

    def _exhausted(self, amount: str, name: str) -> ExhaustedError:
        return ExhaustedError(f"more than {amount} for one judgement; {self._limits.raised.format(name)}")

    def __enter__(self) -> Self:
        self._tokens.append(_SPENT.set(self))
        _ = self.ends
        return self

    def __exit__(self, *error: object) -> None:
        _SPENT.reset(self._tokens.pop())


def spending() -> Budget | None:
    """The budget of this thread's judgement; None where there is none."""
    return _SPENT.get()
