"""Lists: tags, referrers, the catalog (distribution-spec 1.1.1, "Listing Tags", "Listing Referrers")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from lading.registry.server import names
from lading.registry.server.answers import Answer, Pair, Request, json_answer
from lading.registry.server.failures import Failure
from lading.registry.server.storage import Storage
from lading.store.descriptors import Descriptor
from lading.store.digests import Digest
from lading.store.documents import INDEX, Index, parse_document
from lading.store.errors import DocumentError

_PAGE: Final = 1000


def tags(storage: Storage, request: Request) -> Answer:
    """GET of a repository's tags."""
    if not storage.catalog.exists(request.name):
        raise Failure("NAME_UNKNOWN", f"there is no repository {request.name}")
    found, link = _page(
        request, f"/v2/{request.name}/tags/list", lambda last, n: storage.catalog.tags(request.name, last, n)
    )
    return json_answer({"name": request.name, "tags": found}, *link)


def catalog(storage: Storage, request: Request) -> Answer:
    """GET of the repositories."""
    found, link = _page(request, "/v2/_catalog", storage.catalog.repositories)
    return json_answer({"repositories": found}, *link)


def _page(request: Request, path: str, read: Callable[[str, int], list[str]]) -> tuple[list[str], list[Pair]]:
    text = request.asked("n")
    if text is not None and not text.isdigit():
        raise Failure("UNSUPPORTED", "n has to be a number", status=400)
    count = min(int(text), _PAGE) if text is not None else _PAGE
    if count == 0:
        return [], []
    found = read(request.asked("last") or "", count + 1)
    if len(found) <= count:
        return found, []
    found = found[:count]
    return found, [("link", f'<{path}?n={count}&last={quote(found[-1])}>; rel="next"')]


def referrers(storage: Storage, request: Request) -> Answer:
    """GET of what refers to a digest; always an index, empty where nothing does."""
    subject = names.digest(request.rest)
    found = {item.digest: item for item in (*_tagged(storage, request.name, subject),)}
    found |= {item.digest: item for item in storage.catalog.referrers(request.name, subject)}
    items = list(found.values())
    headers: list[Pair] = []
    wanted = request.asked("artifactType")
    if wanted is not None:
        items = [item for item in items if item.artifact_type == wanted]
        headers.append(("oci-filters-applied", "artifactType"))
    value = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [item.json() for item in items]}
    return json_answer(value, *headers, media_type=INDEX)


def _tagged(storage: Storage, name: str, subject: Digest) -> list[Descriptor]:
    """What clients of the fallback scheme put into the index tagged ``sha256-HEX``, as far as it is here."""
    row = storage.catalog.manifest(name, f"{subject.algorithm}-{subject.hex}"[:128])
    if row is None:
        return []
    try:
        document = parse_document(storage.document(row.digest), row.media_type, "fallback index")
    except DocumentError:
        return []
    children = document.manifests if isinstance(document, Index) else ()
    return [child for child in children if storage.catalog.manifest(name, str(child.digest)) is not None]
