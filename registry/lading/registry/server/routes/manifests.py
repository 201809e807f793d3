"""Manifests: pull, push, delete (distribution-spec 1.1.1, "Pulling manifests", "Pushing Manifests")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lading.registry.server import names
from lading.registry.server.api_errors import ApiError
from lading.registry.server.messages import Pair, Request, Response, content_digest, is_known
from lading.registry.server.storage.storage_folder import Storage
from lading.store.content.blobs import MissingBlobError
from lading.store.errors import DocumentError
from lading.store.fastclass import replace
from lading.store.oci.digests import Digest
from lading.store.oci.documents import Index, Manifest, as_referrer, parse_document
from lading.store.oci.json import Fields, parse

MAX_TAGS: Final = 10


def get(storage: Storage, request: Request) -> Response:
    """GET and HEAD of a manifest by tag or digest."""
    row = storage.catalog.manifest(request.name, _wanted(request))
    if row is None:
        raise _unknown(request)
    headers = (
        ("content-type", row.media_type),
        content_digest(row.digest),
        ("etag", f'"{row.digest}"'),
        ("cache-control", "max-age=31536000" if ":" in request.rest else "no-cache"),
    )
    if is_known(request, row.digest):
        return Response(304, headers)
    if request.is_head:
        return Response(200, (*headers, ("content-length", str(row.size))))
    try:
        return Response(200, headers, storage.document(row.digest))
    except MissingBlobError:  # deleted since the row was read
        raise _unknown(request) from None


def put(storage: Storage, request: Request, raw: bytes) -> Response:
    """PUT of a manifest by tag or digest; what it consists of has to be here before."""
    reference = _reference(request.rest)
    by_digest = ":" in reference
    digest = names.digest(reference) if by_digest else Digest.of(raw)
    if Digest.of(raw, digest.algorithm) != digest:
        raise ApiError("DIGEST_INVALID", "the manifest does not have the digest that was given")
    tags = [names.tag(text) for text in request.all_asked("tag")] if by_digest else [reference]
    if len(tags) > MAX_TAGS:
        raise ApiError("MANIFEST_INVALID", f"more than {MAX_TAGS} tags at once", status=414)
    document = _parse(raw, request)
    with storage.catalog.transaction():
        _check_condition(storage, request, reference)
        _check_type(storage, request.name, digest, document)
        parts = _parts(storage, request.name, document)
        storage.put_document(raw, digest)
        subject = document.subject.digest if document.subject else None
        storage.catalog.add_manifest(request.name, replace(as_referrer(document), digest=digest), subject, parts, tags)
    return Response(201, _put_headers(request.name, digest, subject, tags if by_digest else []))


def delete(storage: Storage, request: Request) -> Response:
    """DELETE of a tag, or of a manifest with its tags."""
    reference = _wanted(request)
    if ":" in reference:
        found = storage.catalog.remove_manifest(request.name, names.digest(reference))
    else:
        found = storage.catalog.remove_tag(request.name, reference)
    if not found:
        raise _unknown(request)
    return Response(202)


def _unknown(request: Request) -> ApiError:
    return ApiError("MANIFEST_UNKNOWN", f"{request.name} has no manifest {request.rest}")


def _reference(text: str) -> str:
    return str(names.digest(text)) if ":" in text else names.tag(text)


def _wanted(request: Request) -> str:
    """Of something that should be here: what no manifest can have as reference is not."""
    try:
        return _reference(request.rest)
    except ApiError:
        raise _unknown(request) from None


def _put_headers(name: str, digest: Digest, subject: Digest | None, tags: Sequence[str]) -> tuple[Pair, ...]:
    headers: list[Pair] = [("location", f"/v2/{name}/manifests/{digest}"), content_digest(digest)]
    if subject is not None:
        headers.append(("oci-subject", str(subject)))
    headers += [("oci-tag", tag) for tag in tags]
    return tuple(headers)


def _parse(raw: bytes, request: Request) -> Manifest | Index:
    announced = (request.headers.get("content-type") or "").partition(";")[0].strip() or None
    try:
        return parse_document(raw, announced, "manifest")
    except DocumentError as error:
        raise ApiError("MANIFEST_INVALID", error.message) from None


def _check_condition(storage: Storage, request: Request, reference: str) -> None:
    """RFC 9110, 13.1: a writer that has not seen what is there can ask not to replace it."""
    absent, same = request.headers.get("if-none-match"), request.headers.get("if-match")
    if absent is None and same is None:
        return
    row = storage.catalog.manifest(request.name, reference)
    exists = row is not None and absent is not None and (absent.strip() == "*" or str(row.digest) in absent)
    differs = same is not None and (row is None or (same.strip() != "*" and str(row.digest) not in same))
    if exists or differs:
        raise ApiError("PRECONDITION_FAILED", f"{reference} is not what the request expects")


def _check_type(storage: Storage, name: str, digest: Digest, document: Manifest | Index) -> None:
    """The same bytes are not one thing for one reader and another for the next."""
    row = storage.catalog.manifest(name, str(digest))
    if row is not None and row.media_type != document.media_type:
        raise ApiError("MANIFEST_INVALID", f"{digest} is here as {row.media_type}")


def _parts(storage: Storage, name: str, document: Manifest | Index) -> list[Digest]:
    """The blobs of a manifest, all of them here. What an index lists may come later, or never (a sparse index)."""
    if isinstance(document, Index):
        return []
    found = storage.catalog.blob_sizes(name, [item.digest for item in (document.config, *document.layers)])
    elsewhere: set[str] | None = None
    for part in (document.config, *document.layers):
        size = found.get(str(part.digest))
        if size is None:
            elsewhere = _foreign(document.raw) if elsewhere is None else elsewhere
            if str(part.digest) not in elsewhere:
                raise ApiError("MANIFEST_BLOB_UNKNOWN", f"{name} does not have the blob {part.digest}")
        elif size != part.size:
            raise ApiError("MANIFEST_INVALID", f"{part.digest} has {size} bytes, not {part.size}")
    return [Digest.parse(text) for text in found]


def _foreign(raw: bytes) -> set[str]:
    """Layers that are to be had elsewhere, by their own addresses, and need not be pushed."""
    fields = Fields(parse(raw, "manifest"), "manifest")
    layers = [Fields(layer, "layer") for layer in fields.items("layers")]
    try:
        return {layer.text("digest") for layer in layers if layer.strings("urls")}
    except DocumentError as error:
        raise ApiError("MANIFEST_INVALID", error.message) from None
