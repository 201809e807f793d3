"""The door: a request comes in by RSGI, is admitted, routed, and answered. Work on files goes to threads."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, Protocol
from urllib.parse import unquote

from lading.registry.server import blobs, lists, manifests, names
from lading.registry.server.answers import JSON, Answer, Pair, Request
from lading.registry.server.auth import Gate, Headers
from lading.registry.server.failures import Failure
from lading.registry.server.storage import Storage
from lading.store.errors import LadingError
from lading.store.strict import MAX_SIZE

_ROUTE: Final = re.compile(r"/v2/(?P<name>.+?)/(?P<kind>manifests|blobs/uploads|blobs|tags|referrers)/(?P<rest>[^/]*)")
_ALWAYS: Final = (("docker-distribution-api-version", "registry/2.0"), ("x-content-type-options", "nosniff"))
_CHUNK: Final = 1024 * 1024
_MAX_PATH: Final = 1024

Handler = Callable[[Storage, Request], Answer]

_SIMPLE: Final[dict[tuple[str, str], Handler]] = {
    ("GET", "manifests"): manifests.get,
    ("HEAD", "manifests"): manifests.get,
    ("DELETE", "manifests"): manifests.delete,
    ("GET", "blobs"): blobs.get,
    ("HEAD", "blobs"): blobs.get,
    ("DELETE", "blobs"): blobs.delete,
    ("GET", "tags"): lists.tags,
    ("GET", "referrers"): lists.referrers,
}


class Scope(Protocol):
    """What RSGI says of a request."""

    proto: str
    method: str
    path: str
    query_string: str
    authority: str | None

    @property
    def headers(self) -> Headers:
        """By lower-case name."""
        ...


class App:
    """The registry as an RSGI application."""

    def __init__(self, storage: Storage, gate: Gate) -> None:
        self._storage = storage
        self._gate = gate
        self._locks: dict[str, asyncio.Lock] = {}

    async def __rsgi__(self, scope: Scope, protocol: Any) -> None:
        """One request."""
        if scope.proto != "http":
            return
        try:
            answer = await self._answer(scope, protocol)
        except Failure as failure:
            answer = _failed(failure)
        except LadingError as error:
            answer = _failed(Failure("UNKNOWN", error.message))
        except Exception as error:
            answer = _failed(Failure("UNKNOWN", f"{type(error).__name__}"))
        _send(protocol, answer, head=scope.method == "HEAD")

    async def _answer(self, scope: Scope, protocol: Any) -> Answer:
        await asyncio.to_thread(self._gate.admit, scope.headers, scope.authority)
        path = unquote(scope.path)
        if path in ("/v2/", "/v2"):
            return Answer(200, (("content-type", JSON),), b"{}")
        if path == "/v2/_catalog":
            request = Request(scope.method, "", "", scope.query_string, scope.headers)
            return await asyncio.to_thread(lists.catalog, self._storage, request)
        match = _ROUTE.fullmatch(path) if len(path) <= _MAX_PATH else None
        if match is None:
            raise Failure("NOT_FOUND", "there is nothing at this path")
        name = names.repository(match["name"])
        request = Request(scope.method, name, match["rest"], scope.query_string, scope.headers)
        return await self._route(request, match["kind"], protocol)

    async def _route(self, request: Request, kind: str, protocol: Any) -> Answer:
        if kind == "tags" and request.rest != "list":
            raise Failure("NOT_FOUND", "there is nothing at this path")
        handler = _SIMPLE.get((request.method, kind))
        if handler is not None:
            return await asyncio.to_thread(handler, self._storage, request)
        if kind == "manifests" and request.method == "PUT":
            raw = await _document(protocol)
            return await asyncio.to_thread(manifests.put, self._storage, request, raw)
        if kind == "blobs/uploads":
            return await self._upload(request, protocol)
        raise Failure("UNSUPPORTED", f"{request.method} is not for this path")

    # Uploads

    async def _upload(self, request: Request, protocol: Any) -> Answer:
        if request.method == "POST" and not request.rest:
            return await self._begin(request, protocol)
        name = request.rest
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) or not self._storage.catalog.has_upload(name, request.name):
            raise Failure("BLOB_UPLOAD_UNKNOWN", "no such upload")
        lock = self._locks.setdefault(name, asyncio.Lock())
        async with lock:
            answer = await self._continue(request, name, protocol)
        if not self._storage.catalog.has_upload(name, request.name):
            self._locks.pop(name, None)
        return answer

    async def _begin(self, request: Request, protocol: Any) -> Answer:
        mounted = await asyncio.to_thread(blobs.mount, self._storage, request)
        if mounted is not None:
            return mounted
        digest = request.asked("digest")
        wanted = names.digest(digest) if digest is not None else None
        name = await asyncio.to_thread(self._storage.begin, request.name)
        if wanted is None:
            return blobs.accepted(self._storage, request.name, name)
        await self._receive(name, protocol)
        await asyncio.to_thread(self._storage.finish, name, request.name, wanted)
        return blobs.created(request.name, wanted)

    async def _continue(self, request: Request, name: str, protocol: Any) -> Answer:
        storage = self._storage
        if request.method == "GET":
            return blobs.accepted(storage, request.name, name, 204)
        if request.method == "DELETE":
            await asyncio.to_thread(storage.cancel, name)
            return Answer(204)
        if request.method == "PATCH":
            expected = blobs.check_position(storage, name, request)
            received = await self._receive(name, protocol)
            if expected is not None and received != expected:
                raise Failure("SIZE_INVALID", "fewer or more bytes than Content-Range says", status=400)
            return blobs.accepted(storage, request.name, name)
        if request.method == "PUT":
            digest = names.digest(request.asked("digest") or "")
            blobs.check_position(storage, name, request)
            await self._receive(name, protocol)
            await asyncio.to_thread(storage.finish, name, request.name, digest)
            return blobs.created(request.name, digest)
        raise Failure("UNSUPPORTED", f"{request.method} is not for this path")

    async def _receive(self, name: str, protocol: Any) -> int:
        """Writes a body as it comes, a mebibyte at a time; what came before a client broke off stays."""
        parts: list[bytes] = []
        held = total = 0
        try:
            async for part in _pieces(protocol):
                parts.append(part)
                held += len(part)
                if held >= _CHUNK:
                    await asyncio.to_thread(self._storage.append, name, b"".join(parts))
                    total += held
                    parts, held = [], 0
        finally:
            if parts:
                await asyncio.to_thread(self._storage.append, name, b"".join(parts))
        return total + held


async def _pieces(protocol: Any) -> AsyncIterator[bytes]:
    async for part in protocol:
        yield bytes(part)


async def _document(protocol: Any) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in _pieces(protocol):
        size += len(part)
        if size > MAX_SIZE:
            raise Failure("SIZE_INVALID", f"a manifest of more than {MAX_SIZE} bytes")
        parts.append(part)
    return b"".join(parts)


def _failed(failure: Failure) -> Answer:
    return Answer(failure.status, (("content-type", JSON), *failure.headers), failure.body())


def _send(protocol: Any, answer: Answer, *, head: bool) -> None:
    headers: list[Pair] = [*_ALWAYS, *answer.headers]
    if answer.file is not None and answer.part is not None:
        protocol.response_file_range(answer.status, headers, str(answer.file), *answer.part)
    elif answer.file is not None:
        protocol.response_file(answer.status, headers, str(answer.file))
    elif head or not answer.body:
        if not any(name == "content-length" for name, _ in headers) and answer.status not in (204, 304):
            headers.append(("content-length", str(len(answer.body))))
        protocol.response_empty(answer.status, headers)
    else:
        protocol.response_bytes(answer.status, headers, answer.body)
