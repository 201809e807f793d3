"""Blobs and their uploads (distribution-spec 1.1.1, "Pulling blobs", "Pushing blobs")."""

from __future__ import annotations

import re
from typing import Final

from lading.registry.server import names
from lading.registry.server.answers import Answer, Request, content_digest
from lading.registry.server.failures import Failure
from lading.registry.server.storage import Storage
from lading.store.digests import Digest

_RANGE: Final = re.compile(r"bytes=(?P<first>\d*)-(?P<last>\d*)")
_CONTENT_RANGE: Final = re.compile(r"(?:bytes )?(?P<first>\d+)-(?P<last>\d+)(?:/(?:\d+|\*))?")


def get(storage: Storage, request: Request) -> Answer:
    """GET and HEAD of a blob, whole or a range of it."""
    digest = names.digest(request.rest)
    size = storage.blobs.size(digest) if storage.catalog.has_blob(request.name, digest) else None
    if size is None:
        raise Failure("BLOB_UNKNOWN", f"{request.name} has no blob {digest}")
    headers = (
        ("content-type", "application/octet-stream"),
        ("accept-ranges", "bytes"),
        ("etag", f'"{digest}"'),
        ("cache-control", "max-age=31536000"),
        content_digest(digest),
    )
    if str(digest) in (request.headers.get("if-none-match") or ""):
        return Answer(304, headers)
    if request.is_head:
        return Answer(200, (*headers, ("content-length", str(size))))
    return _content(storage, request, digest, size, headers)


def _content(
    storage: Storage, request: Request, digest: Digest, size: int, headers: tuple[tuple[str, str], ...]
) -> Answer:
    path = storage.blobs.path(digest)
    part = _range(request.headers.get("range"), size)
    if part is None:
        return Answer(200, (*headers, ("content-length", str(size))), file=path)
    first, end = part
    shown = (("content-range", f"bytes {first}-{end - 1}/{size}"), ("content-length", str(end - first)))
    return Answer(206, (*headers, *shown), file=path, part=part)


def _range(text: str | None, size: int) -> tuple[int, int] | None:
    """The one range of a request, end excluded; None for the whole, also where it is not understood (RFC 9110)."""
    match = _RANGE.fullmatch(text.strip()) if text else None
    if match is None or not (match["first"] or match["last"]):
        return None
    if match["first"]:
        first, end = int(match["first"]), min(int(match["last"] or size), size - 1) + 1
    else:
        first, end = max(size - int(match["last"]), 0), size
    if first >= size or first >= end:
        raise Failure(
            "RANGE_INVALID", "no byte of the blob is in the range", headers=(("content-range", f"bytes */{size}"),)
        )
    return first, end


def delete(storage: Storage, request: Request) -> Answer:
    """DELETE: takes a blob out of the repository; others keep it."""
    digest = names.digest(request.rest)
    if not storage.catalog.remove_blob(request.name, digest):
        raise Failure("BLOB_UNKNOWN", f"{request.name} has no blob {digest}")
    return Answer(202)


def mount(storage: Storage, request: Request) -> Answer | None:
    """POST with ``mount``: takes a blob over from another repository; None where that has none."""
    wanted, source = request.asked("mount"), request.asked("from")
    if wanted is None:
        return None
    digest = names.digest(wanted)
    if source is None or not storage.catalog.has_blob(names.repository(source), digest):
        return None
    storage.catalog.add_blob(request.name, digest)
    return created(request.name, digest)


def created(name: str, digest: Digest) -> Answer:
    """A blob is in the repository now."""
    return Answer(201, (("location", f"/v2/{name}/blobs/{digest}"), content_digest(digest)))


def accepted(storage: Storage, name: str, upload: str, status: int = 202) -> Answer:
    """How far an upload is. An empty one is ``0-0``, as clients know it."""
    length = storage.length(upload)
    return Answer(
        status,
        (
            ("location", f"/v2/{name}/blobs/uploads/{upload}"),
            ("range", f"0-{max(length - 1, 0)}"),
            ("docker-upload-uuid", upload),
        ),
    )


def check_position(storage: Storage, upload: str, request: Request) -> int | None:
    """A chunk has to begin where the last one ended; its length where it is stated. Raises `Failure` RANGE_INVALID."""
    text = request.headers.get("content-range")
    if text is None:
        return None
    match = _CONTENT_RANGE.fullmatch(text.strip())
    length = storage.length(upload)
    first, last = (int(match["first"]), int(match["last"])) if match else (-1, -1)
    if first != length or last < first:
        headers = accepted(storage, request.name, upload).headers
        raise Failure("RANGE_INVALID", f"the next chunk has to begin at byte {length}", headers=headers)
    stated = request.headers.get("content-length")
    if stated is not None and stated.isdigit() and int(stated) != last - first + 1:
        raise Failure("SIZE_INVALID", "Content-Range and Content-Length do not agree", status=400)
    return last - first + 1
