"""Bodies of requests: as they come, bounded in size and in patience."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final, Protocol

from lading.registry.server.access.gate import Headers
from lading.registry.server.api_errors import ApiError
from lading.store.oci.json import MAX_SIZE

PATIENCE: Final = 60.0
"""Seconds to wait for the next bytes of a body."""
_DRAINED: Final = 128 * 1024 * 1024
_DRAIN_PATIENCE: Final = 5.0


class Channel(Protocol):
    """What RSGI gives for a request: its body, and a way to answer."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body's pieces. It ends early, without an error, when the client is gone."""
        ...

    def response_empty(self, status: int, headers: list[tuple[str, str]], /) -> None:
        """Without a body."""
        ...

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes, /) -> None:
        """From memory."""
        ...

    def response_file(self, status: int, headers: list[tuple[str, str]], file: str, /) -> None:
        """From a file."""
        ...

    def response_file_range(
        self, status: int, headers: list[tuple[str, str]], file: str, start: int, end: int, /
    ) -> None:
        """From a part of a file."""
        ...


class Body:
    """The body of one request, read once."""

    def __init__(self, channel: Channel, headers: Headers) -> None:
        self._pieces = channel.__aiter__()
        self._ended = False
        self._waited_for = headers.get("expect") is not None
        self.length = _length(headers)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Raises `ApiError` where the client stalls, or goes before it sent what it said it would."""
        received = 0
        while (piece := await self._next(PATIENCE)) is not None:
            received += len(piece)
            yield piece
        if self.length is not None and received != self.length:
            raise ApiError("SIZE_INVALID", "the body ended early", status=400)

    async def document(self) -> bytes:
        """The whole of a small one. Raises `ApiError` SIZE_INVALID beyond 4 MiB."""
        if self.length is not None and self.length > MAX_SIZE:
            raise _too_large()
        parts: list[bytes] = []
        size = 0
        async for piece in self.pieces():
            size += len(piece)
            if size > MAX_SIZE:
                raise _too_large()
            parts.append(piece)
        return b"".join(parts)

    async def drain(self) -> None:
        """Reads on for a while, so that a client that is still sending gets to see the answer."""
        if self._waited_for:  # it sends nothing before it is told to
            return
        size = 0
        with contextlib.suppress(ApiError, TimeoutError):
            async with asyncio.timeout(_DRAIN_PATIENCE):
                while size < _DRAINED and (piece := await self._next(_DRAIN_PATIENCE)) is not None:
                    size += len(piece)

    async def _next(self, patience: float) -> bytes | None:
        if self._ended:
            return None
        try:
            async with asyncio.timeout(patience):
                return bytes(await self._pieces.__anext__())
        except StopAsyncIteration:
            self._ended = True
            return None
        except TimeoutError:
            self._ended = True
            raise ApiError("REQUEST_TIMEOUT", "the body did not go on", headers=(("connection", "close"),)) from None


def _length(headers: Headers) -> int | None:
    text = headers.get("content-length")
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 19 else None


def _too_large() -> ApiError:
    return ApiError("SIZE_INVALID", f"a manifest of more than {MAX_SIZE} bytes")
