"""The routes of uploads (distribution-spec 1.1.1, "Pushing blobs"). Work on files goes to threads.

One request at a time writes to an upload; the next waits a little, for a client that comes back after its
connection broke is here before the old request has noticed. A Location names the byte that it goes on from: a request
to one that is stale, because it is repeated or was overtaken, is told where the upload stands, which it leaves alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from lading.registry.server import names
from lading.registry.server.api_errors import ApiError
from lading.registry.server.bodies import Body
from lading.registry.server.messages import Request, Response
from lading.registry.server.routes import blobs
from lading.registry.server.storage.storage_folder import Storage
from lading.store.oci.digests import Digest
from lading.store.system.patterns import pattern
from lading.store.system.sqlite import is_full

_CHUNK: Final = 1024 * 1024
_NAME: Final = pattern(r"[A-Za-z0-9_-]{1,64}")
_CONTENT_RANGE: Final = pattern(r"(?:bytes )?(?P<first>[0-9]{1,18})-(?P<last>[0-9]{1,18})(?:/(?:[0-9]+|\*))?")
_OFFSET: Final = "offset"
_WAIT: Final = 5.0
"""Seconds to wait for another request to the same upload."""


class UploadRoutes:
    """Answers what is asked of ``/v2/NAME/blobs/uploads/``."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._uploads = storage.uploads
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """One for each upload that somebody writes to or waits for; whoever does keeps it."""

    async def respond(self, request: Request, body: Body) -> Response:
        """Raises `ApiError`, `MachineError`."""
        if not request.rest:
            if request.method != "POST":
                raise ApiError("UNSUPPORTED", f"{request.method} is not for this path", headers=(("allow", "POST"),))
            return await self._begin(request, body)
        name = request.rest
        if request.method == "GET":
            await self._settled(name)
            await self._check_known(request, name)
            return await asyncio.to_thread(self._standing, request, name, 204)
        # Taken before anything else is waited for, so that who asks later sees what this request brought.
        async with self._alone(name):
            done = await asyncio.to_thread(self._done, request, name) if request.method == "PUT" else None
            if done is not None:
                await body.drain()
                return blobs.created(request.name, done)
            await self._check_known(request, name)
            return await self._go_on(request, name, body)

    def _done(self, request: Request, name: str) -> Digest | None:
        """The blob, where the upload was finished by this very request already, whose answer did not arrive."""
        try:
            digest = names.digest(request.asked("digest") or "")
        except ApiError:
            return None
        known = self._storage.catalog.has_upload(name, request.name)
        return None if known or self._storage.catalog.blob_size(request.name, digest) is None else digest

    async def _check_known(self, request: Request, name: str) -> None:
        known = self._storage.catalog.has_upload
        if not _NAME.fullmatch(name) or not await asyncio.to_thread(known, name, request.name):
            raise ApiError("BLOB_UPLOAD_UNKNOWN", "no such upload")

    async def _begin(self, request: Request, body: Body) -> Response:
        mounted = await asyncio.to_thread(blobs.mount, self._storage, request)
        if mounted is not None:
            return mounted
        text = request.asked("digest")
        digest = names.digest(text) if text is not None else None
        name = await asyncio.to_thread(self._uploads.begin, request.name)
        if digest is None:
            return await asyncio.to_thread(self._standing, request, name)
        try:
            await self._receive(name, body)
            await asyncio.to_thread(self._uploads.finish, name, request.name, digest)
        except BaseException:  # nobody was told its name
            await asyncio.to_thread(self._uploads.cancel, name)
            raise
        return blobs.created(request.name, digest)

    async def _go_on(self, request: Request, name: str, body: Body) -> Response:
        if request.method == "DELETE":
            await asyncio.to_thread(self._uploads.cancel, name)
            return Response(204)
        if request.method not in ("PATCH", "PUT"):
            allowed = (("allow", "GET, PATCH, PUT, DELETE"),)
            raise ApiError("UNSUPPORTED", f"{request.method} is not for this path", headers=allowed)
        digest = names.digest(request.asked("digest") or "") if request.method == "PUT" else None
        expected = await asyncio.to_thread(self._check_position, request, name, body)
        received = await self._receive(name, body)
        if expected is not None and received != expected:
            raise ApiError("SIZE_INVALID", "fewer or more bytes than Content-Range says", status=400)
        if digest is None:
            return await asyncio.to_thread(self._standing, request, name)
        # Without a length nobody knows whether the client had said all, or died.
        keep = body.length is None and received > 0
        await asyncio.to_thread(self._uploads.finish, name, request.name, digest, keep=keep)
        return blobs.created(request.name, digest)

    async def _receive(self, name: str, body: Body) -> int:
        """Writes a body as it comes, a mebibyte at a time; what came before a client broke off stays."""
        parts: list[bytes] = []
        held = total = 0
        try:
            async for part in body.pieces():
                parts.append(part)
                held += len(part)
                if held >= _CHUNK:
                    joined, parts, total, held = b"".join(parts), [], total + held, 0
                    await self._append(name, joined)
        finally:
            if parts:
                await self._append(name, b"".join(parts))
        return total + held

    async def _append(self, name: str, data: bytes) -> None:
        try:
            await asyncio.to_thread(self._uploads.append, name, data)
        except Exception as error:
            if is_full(error):  # its bytes are in the way of everybody else's
                await asyncio.to_thread(self._uploads.cancel, name)
            raise

    def _standing(self, request: Request, name: str, status: int = 202) -> Response:
        """How far an upload is. An empty one is ``0-0``, as clients know it."""
        length = self._uploads.length(name)
        location = f"/v2/{request.name}/blobs/uploads/{name}?{_OFFSET}={length}"
        headers = (("location", location), ("range", f"0-{max(length - 1, 0)}"), ("docker-upload-uuid", name))
        return Response(status, headers)

    def _check_position(self, request: Request, name: str, body: Body) -> int | None:
        """A chunk begins where the last one ended; its length where it is stated. Raises `ApiError` RANGE_INVALID."""
        length = self._uploads.length(name)
        text = request.headers.get("content-range")
        if text is None:
            if request.asked(_OFFSET) not in (None, str(length)):
                raise self._elsewhere(request, name, length)
            return None
        match = _CONTENT_RANGE.fullmatch(text.strip())
        first, last = (int(match["first"]), int(match["last"])) if match else (-1, -1)
        if first != length or last < first:
            raise self._elsewhere(request, name, length)
        if body.length is not None and body.length != last - first + 1:
            raise ApiError("SIZE_INVALID", "Content-Range and Content-Length do not agree", status=400)
        return last - first + 1

    def _elsewhere(self, request: Request, name: str, length: int) -> ApiError:
        headers = self._standing(request, name).headers
        return ApiError("RANGE_INVALID", f"the next chunk has to begin at byte {length}", headers=headers)

    # One request at a time

    @asynccontextmanager
    async def _alone(self, name: str) -> AsyncGenerator[None, None]:
        lock = self._locks.setdefault(name, asyncio.Lock())
        try:
            async with asyncio.timeout(_WAIT):
                await lock.acquire()
        except TimeoutError:
            raise ApiError("BLOB_UPLOAD_INVALID", "another request writes to this upload", status=409) from None
        try:
            yield
        finally:
            lock.release()

    async def _settled(self, name: str) -> None:
        """Waits a little for a request that is writing."""
        try:
            async with asyncio.timeout(_WAIT), self._alone(name):
                return
        except (TimeoutError, ApiError):
            return
