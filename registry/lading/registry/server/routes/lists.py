"""Lists: tags, referrers, the catalog (distribution-spec 1.1.1, "Listing Tags", "Listing Referrers")."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, urlencode

from lading.registry.server import names
from lading.registry.server.api_errors import ApiError
from lading.registry.server.messages import Pair, Request, Response, json_response
from lading.registry.server.storage.storage_folder import Storage
from lading.store.errors import DocumentError
from lading.store.fastclass import replace
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import INDEX, Index, parse_document
from lading.store.system.patterns import pattern

_PAGE: Final = 1000
_PAGE_SIZE: Final = 2 * 1024 * 1024
_BATCH: Final = 16
_NUMBER: Final = pattern(r"[0-9]{1,18}")


def tags(storage: Storage, request: Request) -> Response:
    """GET of a repository's tags."""
    if not storage.catalog.exists(request.name):
        raise ApiError("NAME_UNKNOWN", f"there is no repository {request.name}")
    found, link = _page(
        request, f"/v2/{request.name}/tags/list", lambda last, n: storage.catalog.tags(request.name, last, n)
    )
    return json_response({"name": request.name, "tags": found}, *link)


def catalog(storage: Storage, request: Request) -> Response:
    """GET of the repositories."""
    found, link = _page(request, "/v2/_catalog", storage.catalog.repositories)
    return json_response({"repositories": found}, *link)


def _page(request: Request, path: str, read: Callable[[str, int], list[str]]) -> tuple[list[str], list[Pair]]:
    text = request.asked("n")
    if text is not None and not _NUMBER.fullmatch(text):
        raise ApiError("PAGINATION_NUMBER_INVALID", "n has to be a number", status=400)
    count = min(int(text), _PAGE) if text is not None else _PAGE
    if count == 0:
        return [], []
    found = read(request.asked("last") or "", count + 1)
    if len(found) <= count:
        return found, []
    found = found[:count]
    return found, [("link", f'<{path}?n={count}&last={quote(found[-1], safe="")}>; rel="next"')]


def referrers(storage: Storage, request: Request) -> Response:
    """GET of what refers to a digest; always an index, empty where nothing does, in pages by digest."""
    subject = names.digest(request.rest)
    wanted, after = request.asked("artifactType"), request.asked("last") or ""
    found = {str(item.digest): item for item in _tagged(storage, request.name, subject)}
    if wanted is not None:
        found = {key: item for key, item in found.items() if item.artifact_type == wanted}
    found |= {str(item.digest): item for item in _recorded(storage, request.name, subject, wanted, after)}
    items, more = _fitting([found[key].json() for key in sorted(found) if key > after])
    headers: list[Pair] = [] if wanted is None else [("oci-filters-applied", "artifactType")]
    if more:
        query = urlencode({"last": items[-1]["digest"]} | ({} if wanted is None else {"artifactType": wanted}))
        headers.append(("link", f'</v2/{request.name}/referrers/{subject}?{query}>; rel="next"'))
    return json_response({"schemaVersion": 2, "mediaType": INDEX, "manifests": items}, *headers, media_type=INDEX)


def _recorded(storage: Storage, name: str, subject: Digest, wanted: str | None, after: str) -> list[Descriptor]:
    """More than a page of the catalog, or all there is; a few at a time, since annotations can be large."""
    found: list[Descriptor] = []
    size = 0
    while len(found) <= _PAGE and size <= _PAGE_SIZE:
        batch = storage.catalog.referrers(name, subject, wanted, after, _BATCH)
        found += batch
        if len(batch) < _BATCH:
            break
        size += sum(len(json.dumps(item.json())) for item in batch)
        after = str(batch[-1].digest)
    return found


def _fitting(items: list[dict[str, object]]) -> tuple[list[dict[str, object]], bool]:
    """As many as clients accept in one document, at least one; whether there are more."""
    size = 0
    for at, item in enumerate(items):
        size += len(json.dumps(item))
        if at and (at >= _PAGE or size > _PAGE_SIZE):
            return items[:at], True
    return items, False


def _tagged(storage: Storage, name: str, subject: Digest) -> list[Descriptor]:
    """What clients of the fallback scheme put into the index tagged ``sha256-HEX``, as far as it is here.

    The tag holds no more than 64 digits, so that two subjects by SHA-512 may share one: what names another
    subject is not this one's.
    """
    row = storage.catalog.manifest(name, f"{subject.algorithm}-{subject.hex[:64]}")
    if row is None:
        return []
    try:
        document = parse_document(storage.document(row.digest), row.media_type, "fallback index")
    except DocumentError:
        return []
    found: list[Descriptor] = []
    for child in document.manifests if isinstance(document, Index) else ():
        here = storage.catalog.manifest(name, str(child.digest))
        if here is not None and here.subject in (None, subject):
            found.append(replace(child, media_type=here.media_type, size=here.size))
    return found
