"""Digests of small things by Python's own SHA-256: `hashlib` first loads OpenSSL, which takes longer than they do.

And of long ones by a thread beside whoever hands their bytes over."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol, Self, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from queue import Queue
    from threading import Thread

SMALL: Final = 64 * 1024
"""Bytes up to which loading OpenSSL would cost more than its speed gives back."""
LARGE: Final = SMALL + 1
"""For `new`, of what may be long."""


_LONG: Final = 8 * 1024 * 1024
_AHEAD: Final = 8
"""Pieces that wait for the thread at most."""


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


class HashBeside:
    """SHA-256 of a stream; of a long one taken in by a thread, while whoever hands it over does other things with it.

    A context manager, at whose end the thread is gone.
    """

    def __init__(self) -> None:
        import hashlib  # noqa: PLC0415

        self._hash = hashlib.sha256()
        self._size = 0
        self._pieces: Queue[bytes | None] | None = None
        self._thread: Thread | None = None

    def update(self, data: bytes) -> None:
        """Takes more bytes in."""
        self._size += len(data)
        if self._pieces is None and self._size > _LONG:
            self._begin()
        if self._pieces is None:
            self._hash.update(data)
        else:
            self._pieces.put(data)

    def hexdigest(self) -> str:
        """Of all that was taken in; the last call."""
        self.__exit__()
        return self._hash.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pieces is not None and self._thread is not None:
            self._pieces.put(None)
            self._thread.join()
            self._thread = None

    def _begin(self) -> None:
        from queue import Queue  # noqa: PLC0415
        from threading import Thread  # noqa: PLC0415

        pieces: Queue[bytes | None] = Queue(_AHEAD)

        def take() -> None:
            while (piece := pieces.get()) is not None:
                self._hash.update(piece)

        thread = Thread(target=take, daemon=True)
        with suppress(RuntimeError):  # no more threads: then as a short one
            thread.start()
            self._pieces, self._thread = pieces, thread
