"""The door: a request comes in by RSGI, is admitted, routed, and answered. Work on files goes to threads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from lading.registry.server import names
from lading.registry.server.access.gate import Gate, Headers, check_form
from lading.registry.server.api_errors import ApiError, of_exception
from lading.registry.server.bodies import Body, Channel
from lading.registry.server.messages import JSON, Pair, Request, Response
from lading.registry.server.routes import blobs, lists, manifests
from lading.registry.server.routes.uploads import UploadRoutes
from lading.registry.server.storage.storage_folder import Storage
from lading.store.system.patterns import pattern

LOG: Final = logging.getLogger("lading.registry.server")
_ROUTE: Final = pattern(r"/v2/(?P<name>.+?)/(?P<kind>manifests|blobs/uploads|blobs|tags|referrers)/(?P<rest>[^/]*)")
_ALWAYS: Final = (("docker-distribution-api-version", "registry/2.0"), ("x-content-type-options", "nosniff"))
_MAX_PATH: Final = 2048
_CHECKERS: Final = 2
_MAX_CHECKS: Final = 64
"""Passwords that wait to be checked; more are turned away."""
_LARGE: Final = 64 * 1024
_AT_ONCE: Final = 2
"""Manifests beyond `_LARGE` bytes that are read at once: what JSON becomes in memory is many times its size."""

Handler = Callable[[Storage, Request], Response]

_SIMPLE: Final[dict[str, dict[str, Handler]]] = {
    "manifests": {"GET": manifests.get, "HEAD": manifests.get, "DELETE": manifests.delete},
    "blobs": {"GET": blobs.get, "HEAD": blobs.get, "DELETE": blobs.delete},
    "tags": {"GET": lists.tags},
    "referrers": {"GET": lists.referrers},
    "catalog": {"GET": lists.catalog},
}


class Scope(Protocol):
    """What RSGI says of a request. The path comes with its percent signs decoded."""

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
        self._uploads = UploadRoutes(storage)
        self._checkers = ThreadPoolExecutor(_CHECKERS, "passwords")
        self._checks = 0
        self._large = ThreadPoolExecutor(_AT_ONCE, "manifests")

    async def __rsgi__(self, scope: Scope, channel: Channel) -> None:
        """One request."""
        if scope.proto != "http":
            return
        body = Body(channel, scope.headers)
        try:
            response = await self._respond(scope, body)
        except ApiError as error:
            await body.drain()
            response = _failed(error)
        except Exception as error:
            LOG.error("%s %r: %r", scope.method, scope.path, error)
            await body.drain()
            response = _failed(of_exception(error))
        _send(channel, response, head=scope.method == "HEAD")

    async def _respond(self, scope: Scope, body: Body) -> Response:
        check_form(scope.headers, scope.authority)
        await self._admit(scope)
        if scope.path in ("/v2/", "/v2"):
            if scope.method not in ("GET", "HEAD"):
                raise _unsupported(scope.method, ("GET", "HEAD"))
            return Response(200, (("content-type", JSON),), b"{}")
        if scope.path == "/v2/_catalog":
            return await self._simple("catalog", Request(scope.method, "", "", scope.query_string, scope.headers))
        match = _ROUTE.fullmatch(scope.path) if len(scope.path) <= _MAX_PATH else None
        if match is None or (match["kind"] == "tags" and match["rest"] != "list"):
            raise ApiError("NOT_FOUND", "there is nothing at this path")
        name = names.repository(match["name"])
        request = Request(scope.method, name, match["rest"], scope.query_string, scope.headers)
        return await self._route(match["kind"], request, body)

    async def _admit(self, scope: Scope) -> str:
        known = self._gate.recall(scope.headers)
        if known is not None:
            return known
        if self._checks >= _MAX_CHECKS:
            raise ApiError("TOOMANYREQUESTS", "too many logins at once", headers=(("retry-after", "2"),))
        self._checks += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._checkers, self._gate.check, scope.headers)
        finally:
            self._checks -= 1

    async def _route(self, kind: str, request: Request, body: Body) -> Response:
        if kind == "blobs/uploads":
            return await self._uploads.respond(request, body)
        if kind == "manifests" and request.method == "PUT":
            raw = await body.document()
            few = self._large if len(raw) > _LARGE else None
            return await asyncio.get_running_loop().run_in_executor(few, manifests.put, self._storage, request, raw)
        return await self._simple(kind, request)

    async def _simple(self, kind: str, request: Request) -> Response:
        handler = _SIMPLE[kind].get(request.method)
        if handler is None:
            raise _unsupported(request.method, (*_SIMPLE[kind], *(("PUT",) if kind == "manifests" else ())))
        few = self._large if kind == "referrers" else None  # the tag that stands in may be large
        return await asyncio.get_running_loop().run_in_executor(few, handler, self._storage, request)


def _unsupported(method: str, allowed: tuple[str, ...]) -> ApiError:
    return ApiError("UNSUPPORTED", f"{method} is not for this path", headers=(("allow", ", ".join(allowed)),))


def _failed(error: ApiError) -> Response:
    return Response(error.status, (("content-type", JSON), *error.headers), error.body())


def _send(channel: Channel, response: Response, *, head: bool) -> None:
    headers: list[Pair] = [*_ALWAYS, *response.headers]
    if response.file is not None and response.part is not None:
        channel.response_file_range(response.status, headers, str(response.file), *response.part)
    elif response.file is not None:
        channel.response_file(response.status, headers, str(response.file))
    elif head or not response.body:
        if not any(name == "content-length" for name, _ in headers) and response.status not in (204, 304):
            headers.append(("content-length", str(len(response.body))))
        channel.response_empty(response.status, headers)
    else:
        channel.response_bytes(response.status, headers, response.body)
