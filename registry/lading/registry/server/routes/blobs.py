"""Blobs: pull, delete, mount (distribution-spec 1.1.1, "Pulling blobs", "Mounting a blob", "Deleting Blobs")."""

from __future__ import annotations

from typing import Final

from lading.registry.server import names
from lading.registry.server.api_errors import ApiError
from lading.registry.server.messages import Pair, Request, Response, content_digest, is_known
from lading.registry.server.storage.storage_folder import Storage
from lading.store.oci.digests import Digest
from lading.store.system.patterns import pattern

_RANGE: Final = pattern(r"bytes=(?P<first>[0-9]{0,18})-(?P<last>[0-9]{0,18})")


def get(storage: Storage, request: Request) -> Response:
    """GET and HEAD of a blob, whole or a range of it."""
    digest = names.digest(request.rest)
    size = storage.blobs.size(digest) if storage.catalog.blob_size(request.name, digest) is not None else None
    if size is None:
        raise ApiError("BLOB_UNKNOWN", f"{request.name} has no blob {digest}")
    headers = (
        ("content-type", "application/octet-stream"),
        ("accept-ranges", "bytes"),
        ("etag", f'"{digest}"'),
        ("cache-control", "max-age=31536000"),
        content_digest(digest),
    )
    if request.is_head:
        storage.catalog.touch_blob(request.name, digest)
    if is_known(request, digest):
        return Response(304, headers)
    if request.is_head:
        return Response(200, (*headers, ("content-length", str(size))))
    return _content(storage, request, digest, size, headers)


def _content(storage: Storage, request: Request, digest: Digest, size: int, headers: tuple[Pair, ...]) -> Response:
    path = storage.blobs.path(digest)
    part = None if _is_stale(request, digest) else _range(request.headers.get("range"), size)
    if part is None:
        return Response(200, (*headers, ("content-length", str(size))), file=path)
    first, end = part
    shown = (("content-range", f"bytes {first}-{end - 1}/{size}"), ("content-length", str(end - first)))
    return Response(206, (*headers, *shown), file=path, part=part)


def _is_stale(request: Request, digest: Digest) -> bool:
    """Whether If-Range asks for the whole of what this is not."""
    wanted = request.headers.get("if-range")
    return wanted is not None and wanted.strip() != f'"{digest}"'


def _range(text: str | None, size: int) -> tuple[int, int] | None:
    """The one range of a request, end excluded; None for the whole, also where it is not understood (RFC 9110).

    Raises `ApiError` where no byte is in it, or it ends before it begins.
    """
    match = _RANGE.fullmatch(text.strip()) if text else None
    if match is None or not (match["first"] or match["last"]):
        return None
    if match["first"]:
        first, end = int(match["first"]), min(int(match["last"] or size), size - 1) + 1
    else:
        first, end = max(size - int(match["last"]), 0), size
    if first >= end:
        raise ApiError(
            "RANGE_INVALID", "no byte of the blob is in the range", headers=(("content-range", f"bytes */{size}"),)
        )
    return first, end


def delete(storage: Storage, request: Request) -> Response:
    """DELETE: takes a blob out of the repository, unless a manifest there has it; other repositories keep it."""
    digest = names.digest(request.rest)
    with storage.catalog.transaction():
        user = storage.catalog.user_of_blob(request.name, digest)
        if user is not None:
            raise ApiError("UNSUPPORTED", f"the manifest {user} has this blob; delete that first")
        if not storage.catalog.remove_blob(request.name, digest):
            raise ApiError("BLOB_UNKNOWN", f"{request.name} has no blob {digest}")
    return Response(202)


def mount(storage: Storage, request: Request) -> Response | None:
    """POST with ``mount``: takes a blob over from another repository; None (go on uploading) where that has none."""
    wanted, source = request.asked("mount"), request.asked("from")
    if wanted is None:
        return None
    digest = names.digest(wanted)
    if source is None or not storage.catalog.mount_blob(request.name, source, digest):
        return None
    return created(request.name, digest)


def created(name: str, digest: Digest) -> Response:
    """A blob is in the repository now."""
    return Response(201, (("location", f"/v2/{name}/blobs/{digest}"), content_digest(digest)))
