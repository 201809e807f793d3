"""Digests of small things by Python's own SHA-256: `hashlib` first loads OpenSSL, which takes longer than they do."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL: Final = 64 * 1024
"""Bytes up to which loading OpenSSL would cost more than its speed gives back."""
LARGE: Final = SMALL + 1
"""For `new`, of what may be long."""


class Hash(Protocol):
    """What `hashlib` makes."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Takes more bytes in."""
        ...

    def digest(self) -> bytes:
        """Of what was taken in so far."""
        ...

    def hexdigest(self) -> str:
        """As `digest`, in hexadecimal digits."""
        ...


def new(algorithm: str, size: int) -> Hash:
    """A hash of nothing yet, made to take in about `size` bytes."""
    if algorithm == "sha256" and size <= SMALL and (own := _own()) is not None:
        return own()
    import hashlib  # noqa: PLC0415

    return hashlib.new(algorithm)


def sha256(data: bytes) -> Hash:
    """The hash of `data`."""
    made = new("sha256", len(data))
    made.update(data)
    return made


@cache  # asking for a module that is not there is slow every time
def _own() -> Callable[[], Hash] | None:
    """Since 3.12 in the module `_sha2`; a Python built without either goes by `hashlib`."""
    from importlib import import_module  # noqa: PLC0415

    for name in ("_sha2", "_sha256"):
        try:
            return cast("Callable[[], Hash]", import_module(name).sha256)
        except ImportError:
            continue
    return None
