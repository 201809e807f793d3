"""Manifests and indexes of a registry: read whole, bounded and verified; written with their very bytes."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from lading.registry.auth.tokens import scope
from lading.registry.client.session import ApiRequest, Session
from lading.registry.client_config import ClientConfig
from lading.registry.errors import NotFoundError, ProtocolError, StatusError
from lading.registry.http.transport import HttpResponse, read_body
from lading.registry.reference import Reference
from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import DOCKER_INDEX, DOCKER_MANIFEST, INDEX, MANIFEST, Index, Manifest, parse_document
from lading.store.oci.json import MAX_SIZE

ACCEPT: Final = ", ".join((MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX))

_STATUSES: Final = {"PUT": frozenset({200, 201, 202, 204}), "DELETE": frozenset({200, 202, 204})}


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document as it came, and its entity tag where the registry gave one."""

    descriptor: Descriptor
    document: Manifest | Index
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Manifests:
    """The manifests of one registry."""

    session: Session
    config: ClientConfig

    def fetch(self, ref: Reference, *, limit: int = MAX_SIZE) -> Fetched:
        """By digest if the reference has one, else by tag.

        The digest is always that of the bytes: the registry's own word for it is compared, never believed.
        """
        where = str(ref)
        with self.session.send(self._request("GET", ref)) as response:
            kind = media_type(response)
            raw = read_body(response, limit, self.config.timeouts.document, where)
            said, etag = response.header("docker-content-digest"), response.header("etag")
        digest = Digest.of(raw, ref.digest.algorithm if ref.digest else "sha256")
        if ref.digest and digest != ref.digest:
            raise ProtocolError(f"{where}: the registry sent other bytes, whose digest is {digest}")
        _compare(where, raw, said)
        try:
            document = parse_document(raw, kind, where)
        except DocumentError as error:
            raise ProtocolError(error.message) from None
        return Fetched(Descriptor(document.media_type, digest, len(raw)), document, etag)

    def head(self, ref: Reference) -> Descriptor | None:
        """What the registry says it has, unverified: good to skip work, not to rest anything on."""
        try:
            return self._asked(ref)
        except NotFoundError:
            return None
        except StatusError:
            return self._whole(ref)

    def _whole(self, ref: Reference) -> Descriptor | None:
        """Of a registry that refuses HEAD."""
        try:
            return self.fetch(ref).descriptor
        except (StatusError, ProtocolError):
            return None

    def _asked(self, ref: Reference) -> Descriptor | None:
        with self.session.send(self._request("HEAD", ref)) as response:
            said, length = response.header("docker-content-digest"), response.header("content-length")
            if not said or not length:
                return None
            try:
                return Descriptor(media_type(response) or "", Digest.parse(said), int(length))
            except (DocumentError, ValueError):
                return None

    def put(self, ref: Reference, raw: bytes, kind: str, conditions: dict[str, str] | None = None) -> HttpResponse:
        """Writes a manifest; the answer's headers say what the registry made of it."""
        headers = {"Content-Type": kind, "Content-Length": str(len(raw))} | (conditions or {})
        request = self._request("PUT", ref, headers=headers, body=raw)
        with self.session.send(request) as response:
            digest = ref.digest or Digest.of(raw)
            said = response.header("docker-content-digest")
            if said and said.startswith(f"{digest.algorithm}:") and said != str(digest):
                raise ProtocolError(f"{ref}: was pushed as {digest}, the registry took it for {said[:140]}")
            return response

    def delete(self, ref: Reference) -> bool:
        """Whether it was there."""
        with self.session.send(self._request("DELETE", ref, missing=True)) as response:
            return response.status != 404

    def _request(
        self,
        method: str,
        ref: Reference,
        *,
        missing: bool = False,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> ApiRequest:
        statuses = _STATUSES.get(method, frozenset({200})) | (frozenset({404}) if missing else frozenset[int]())
        actions = {"PUT": ("pull", "push"), "DELETE": ("pull", "push", "delete")}.get(method, ("pull",))
        path = f"/v2/{ref.repository}/manifests/{quote(ref.selector, safe=':')}"
        scopes = frozenset({scope(ref.repository, *actions)})
        seconds = self.config.timeouts.commit if method == "PUT" else None
        return ApiRequest(
            method, path, str(ref), statuses, scopes, headers or {"Accept": ACCEPT}, body, seconds=seconds
        )


def media_type(response: HttpResponse) -> str | None:
    """The Content-Type without its parameters."""
    return (response.header("content-type") or "").partition(";")[0].strip() or None


def _compare(where: str, raw: bytes, said: str | None) -> None:
    if not said:
        return
    try:
        digest = Digest.parse(said.strip())
    except DocumentError:
        raise ProtocolError(f"{where}: the registry names it by {said[:140]!r}, which is no digest") from None
    if Digest.of(raw, digest.algorithm) != digest:
        raise ProtocolError(f"{where}: the registry says it sent {digest}, but the bytes are not")
