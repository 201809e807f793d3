"""Files by http and https: into the store once, by digest, and asked for again only whether they changed.

What is kept of a URL is its answer's ETag and Last-Modified, under a hash of it: a URL can let one in.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable
from threading import Lock
from time import time
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import unquote, urlsplit

from lading.build.context.remote.addresses import WebFile, without_user
from lading.store.archives.layer_limits import RAISE
from lading.store.errors import DocumentError, InputError
from lading.store.fastclass import dataclass
from lading.store.oci.digests import Digest
from lading.store.store import Store
from lading.verify.documents.statements import ResourceDescriptor

if TYPE_CHECKING:
    from lading.build.context.remote.answers import Answers
    from lading.registry.http.transport import HttpResponse, Transport

KIND: Final = "download"
"""Of the rows in the index."""
LAST_MODIFIED: Final = "urn:lading:last-modified"
_MAX_HEADER: Final = 1024


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file in the store, and what its server said of it; `url` has neither user nor password."""

    url: str
    digest: Digest
    size: int
    etag: str = ""
    modified: str = ""

    def resource(self, name: str) -> ResourceDescriptor:
        """As links and provenances have it."""
        annotations = {LAST_MODIFIED: self.modified} if self.modified else {}
        return ResourceDescriptor(name, {self.digest.algorithm: self.digest.hex}, self.url, annotations=annotations)


class WebFiles:
    """The files that one build fetches: a URL is asked once, whoever wants it. Safe to be used from several threads."""

    def __init__(self, store: Store, transport: Transport | None, check: Callable[[], None] = lambda: None) -> None:
        """`check` raises where the build is over."""
        self._store = store
        self._transport = transport
        self._check = check
        self._lock = Lock()
        self._locks: dict[str, Lock] = {}
        self._found: dict[str, FetchedFile] = {}

    def file(self, wanted: WebFile) -> FetchedFile:
        """The file, in the store. Raises `InputError` where it is not to be had, or not what it should be.

        With a checksum that the store has nobody is asked.
        """
        with self._lock:
            lock = self._locks.setdefault(wanted.url, Lock())
        with lock:
            found = self._found.get(wanted.url)
            if found is None or wanted.checksum not in (None, found.digest):
                found = self._found[wanted.url] = self._known(wanted) or self._fetch(wanted)
            return found

    def _known(self, wanted: WebFile) -> FetchedFile | None:
        digest = wanted.checksum
        if digest is None or not self._store.seals.holds(digest):
            return None
        before = self._row(wanted)
        if before and before.digest == digest:
            return before
        return self._keep(wanted, FetchedFile(wanted.public, digest, self._store.blobs.size(digest) or 0))

    def _fetch(self, wanted: WebFile) -> FetchedFile:
        if self._transport is None:
            raise InputError(f"{wanted.public}: this build has no network")
        from lading.build.context.remote.answers import Answers  # noqa: PLC0415 - most builds fetch nothing

        before = self._row(wanted) if wanted.checksum is None else None
        answers = Answers(self._transport, plain_url(wanted.url), _authorization(wanted.url))
        with answers.ask(_conditions(before)) as response:
            if response.status == 304 and before:
                return before
            if response.status != 200:
                raise InputError(f"{wanted.public}: answered {response.status}")
            return self._keep(wanted, self._write(wanted, answers, response))

    def _write(self, wanted: WebFile, answers: Answers, response: HttpResponse) -> FetchedFile:
        most, size = self._store.limits.size, 0
        etag, modified = _header(response, "etag"), _header(response, "last-modified")
        found = hashlib.sha256()
        with self._store.blobs.writer() as writer:
            for piece in answers.pieces(response, etag):
                self._check()
                size += len(piece)
                if size > most:
                    raise InputError(f"{wanted.public}: more than the {most} bytes allowed", hint=RAISE)
                found.update(piece)
                writer.write(piece)
            digest = Digest("sha256", found.hexdigest())
            if wanted.checksum not in (None, digest):
                raise InputError(
                    f"{wanted.public}: is {digest}, not {wanted.checksum} as its checksum says; nothing of it is kept",
                    hint="whoever serves it changed it, or the checksum is that of another file",
                )
            writer.commit(digest)
        return FetchedFile(wanted.public, digest, size, etag, modified)

    def _row(self, wanted: WebFile) -> FetchedFile | None:
        raw = self._store.index.recall(KIND, _key(wanted))
        try:
            held = cast("dict[str, object]", json.loads(raw)) if raw else {}
            digest, size = Digest.parse(str(held["digest"])), int(str(held["size"]))
            found = FetchedFile(wanted.public, digest, size, str(held["etag"]), str(held["modified"]))
        except (ValueError, KeyError, TypeError, DocumentError):
            return None
        return found if self._store.seals.holds(found.digest) else None

    def _keep(self, wanted: WebFile, found: FetchedFile) -> FetchedFile:
        value = {"digest": str(found.digest), "size": found.size, "etag": found.etag, "modified": found.modified}
        self._store.index.run(
            "INSERT OR REPLACE INTO cache (kind, key, value, used, blob) VALUES (?, ?, ?, ?, ?)",
            (KIND, _key(wanted), json.dumps(value).encode(), time(), str(found.digest)),
        )
        return found


def _key(wanted: WebFile) -> str:
    return hashlib.sha256(wanted.url.encode("utf-8", "surrogateescape")).hexdigest()


def plain_url(url: str) -> str:
    """The URL that is asked: without user, password and fragment."""
    return without_user(url).partition("#")[0]


def _authorization(url: str) -> str | None:
    parts = urlsplit(url)
    if parts.username is None:
        return None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Basic {b64encode(pair.encode()).decode()}"


def _conditions(before: FetchedFile | None) -> dict[str, str]:
    if before is None:
        return {}
    if before.etag:
        return {"If-None-Match": before.etag}
    return {"If-Modified-Since": before.modified} if before.modified else {}


def _header(response: HttpResponse, name: str) -> str:
    value = response.header(name) or ""
    return value if value.isprintable() and value.isascii() and len(value) <= _MAX_HEADER else ""
