"""Manifests: pull, push, delete (distribution-spec 1.1.1, "Pulling manifests", "Pushing Manifests")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lading.registry.server import names
from lading.registry.server.answers import Answer, Pair, Request, content_digest
from lading.registry.server.failures import Failure
from lading.registry.server.storage import Storage
from lading.store.descriptors import Descriptor
from lading.store.digests import Digest
from lading.store.documents import Index, Manifest, parse_document
from lading.store.errors import DocumentError
from lading.store.strict import MAX_SIZE, Fields, parse

MAX_TAGS: Final = 10


def get(storage: Storage, request: Request) -> Answer:
    """GET and HEAD of a manifest by tag or digest."""
    row = storage.catalog.manifest(request.name, _reference(request.rest))
    if row is None:
        raise Failure("MANIFEST_UNKNOWN", f"{request.name} has no manifest {request.rest}")
    headers = (
        ("content-type", row.media_type),
        content_digest(row.digest),
        ("etag", f'"{row.digest}"'),
        ("cache-control", "max-age=31536000" if ":" in request.rest else "no-cache"),
    )
    if str(row.digest) in (request.headers.get("if-none-match") or ""):
        return Answer(304, headers)
    if request.is_head:
        return Answer(200, (*headers, ("content-length", str(row.size))))
    return Answer(200, headers, storage.document(row.digest))


def put(storage: Storage, request: Request, raw: bytes) -> Answer:
    """PUT of a manifest by tag or digest; what it consists of has to be here before."""
    reference = _reference(request.rest)
    digest = names.digest(reference) if ":" in reference else Digest.of(raw)
    if Digest.of(raw, digest.algorithm) != digest:
        raise Failure("DIGEST_INVALID", "the manifest does not have the digest that was given")
    document = _parse(raw, request)
    if isinstance(document, Manifest):
        _check_parts(storage, request.name, (document.config, *document.layers), raw)
    tags = [names.tag(text) for text in request.all_asked("tag")] if ":" in reference else [reference]
    if len(tags) > MAX_TAGS:
        raise Failure("MANIFEST_INVALID", f"more than {MAX_TAGS} tags at once", status=414)
    storage.put_document(raw, digest)
    kind = _artifact_type(document)
    descriptor = Descriptor(document.media_type, digest, len(raw), artifact_type=kind)
    subject = document.subject.digest if document.subject else None
    storage.catalog.add_manifest(request.name, descriptor, subject, document.annotations, tags)
    return Answer(201, _put_headers(request.name, digest, subject, tags if ":" in reference else []))


def _put_headers(name: str, digest: Digest, subject: Digest | None, tags: Sequence[str]) -> tuple[Pair, ...]:
    headers: list[Pair] = [("location", f"/v2/{name}/manifests/{digest}"), content_digest(digest)]
    if subject is not None:
        headers.append(("oci-subject", str(subject)))
    headers += [("oci-tag", tag) for tag in tags]
    return tuple(headers)


def delete(storage: Storage, request: Request) -> Answer:
    """DELETE of a tag, or of a manifest with its tags."""
    reference = _reference(request.rest)
    if ":" in reference:
        found = storage.catalog.remove_manifest(request.name, names.digest(reference))
    else:
        found = storage.catalog.remove_tag(request.name, reference)
    if not found:
        raise Failure("MANIFEST_UNKNOWN", f"{request.name} has no manifest {reference}")
    return Answer(202)


def _reference(text: str) -> str:
    if ":" in text:
        return str(names.digest(text))
    return names.tag(text)


def _parse(raw: bytes, request: Request) -> Manifest | Index:
    announced = (request.headers.get("content-type") or "").partition(";")[0].strip() or None
    if len(raw) > MAX_SIZE:
        raise Failure("SIZE_INVALID", f"a manifest of more than {MAX_SIZE} bytes")
    try:
        return parse_document(raw, announced, "manifest")
    except DocumentError as error:
        raise Failure("MANIFEST_INVALID", error.message) from None


def _artifact_type(document: Manifest | Index) -> str | None:
    if document.artifact_type is not None:
        return document.artifact_type
    return document.config.media_type if isinstance(document, Manifest) else None


def _check_parts(storage: Storage, name: str, parts: Sequence[Descriptor], raw: bytes) -> None:
    missing = storage.catalog.missing_blobs(name, [part.digest for part in parts])
    if missing:
        elsewhere = _foreign(raw)
        missing = [digest for digest in missing if str(digest) not in elsewhere]
    if missing:
        raise Failure("MANIFEST_BLOB_UNKNOWN", f"{name} does not have the blob {missing[0]}")


def _foreign(raw: bytes) -> set[str]:
    """Layers that are to be had elsewhere, by their own addresses, and need not be pushed."""
    fields = Fields(parse(raw, "manifest"), "manifest")
    layers = [Fields(layer, "layer") for layer in fields.items("layers")]
    return {layer.text("digest") for layer in layers if layer.strings("urls")}
