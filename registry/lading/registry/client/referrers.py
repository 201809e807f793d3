"""What refers to a manifest: the referrers API, or the tag that stands in for it where a registry has none.

distribution-spec 1.1, "Listing Referrers" and "Referrers Tag Schema"; and cosign's older tags
``sha256-<hex>.sig`` and ``.att``, which every registry can hold.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote

from lading.registry.auth.tokens import scope
from lading.registry.client.manifests import Fetched, Manifests, media_type
from lading.registry.client.pages import pages
from lading.registry.client.session import ApiRequest, Session
from lading.registry.client_config import ClientConfig
from lading.registry.errors import NotFoundError, ProtocolError, StatusError
from lading.registry.reference import Reference
from lading.store.errors import DocumentError, RegistryError
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import INDEX, Index, parse_document
from lading.store.oci.json import Fields, canonical, parse

LEGACY_SUFFIXES: Final = (".sig", ".att")
MAX_REFERRERS: Final = 4096
_ABSENT: Final = frozenset({303, 400, 404, 405, 406, 410, 501})
"""What registries answer that have no referrers API: some lead to a page, which is no list whatever it says."""
_ROUNDS: Final = 8
_WRITING: Final = threading.Lock()


def fallback_tag(subject: Digest) -> str:
    """``sha256-<hex>``, cut where the specification cuts it."""
    return f"{subject.algorithm[:32]}-{subject.hex[:64]}"


@dataclass(frozen=True, slots=True)
class Referrers:
    """The referrers of one registry."""

    session: Session
    config: ClientConfig
    manifests: Manifests

    def all(self, repository: Reference, subject: Digest, artifact_type: str | None = None) -> tuple[Descriptor, ...]:
        """All of them; raises a `RegistryError` rather than leaving one out."""
        found = self._by_api(repository, subject, artifact_type)
        if found is None:
            found = self._entries(self._fallback(repository, subject))
        if artifact_type is not None:  # a registry may ignore the filter, and a tag has none
            found = tuple(item for item in found if item.artifact_type == artifact_type)
        return tuple({item.digest: item for item in found}.values())

    def legacy(self, repository: Reference, subject: Digest) -> Mapping[str, Fetched]:
        """cosign's older tags of a subject."""
        found: dict[str, Fetched] = {}
        for suffix in LEGACY_SUFFIXES:
            tag = f"{subject.algorithm}-{subject.hex}{suffix}"
            if len(tag) <= 128 and (fetched := self._maybe(repository.tagged(tag))):
                found[tag] = fetched
        return found

    def publish(self, repository: Reference, subject: Digest, added: Iterable[Descriptor]) -> tuple[Descriptor, ...]:
        """Makes manifests that were just pushed be listed; returns those that the registry's API leaves out."""
        wanted = tuple(added)
        try:
            listed = self._by_api(repository, subject, None)
        except StatusError:  # the tag holds either way: a registry that has the API reads it too
            listed = None
        if listed is None:
            self.add(repository, subject, wanted)
            return ()
        there = {item.digest for item in listed}
        return tuple(item for item in wanted if item.digest not in there)

    def add(self, repository: Reference, subject: Digest, added: Iterable[Descriptor]) -> None:
        """Writes the stand-in tag: reads it, adds, writes, reads again; from the start if somebody else wrote too."""
        wanted = {item.digest: item for item in added}
        with _WRITING:
            for attempt in range(_ROUNDS):
                if attempt:
                    time.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311 - not a secret
                before = self._fallback(repository, subject)
                missing = [item for digest, item in wanted.items() if digest not in _digests(before)]
                if not missing:
                    return
                self._write(repository.tagged(fallback_tag(subject)), before, missing)
        raise RegistryError(
            f"{repository.repository_name}: others keep overwriting its list of what refers to {subject}",
            hint="push again",
        )

    def _by_api(
        self, repository: Reference, subject: Digest, artifact_type: str | None
    ) -> tuple[Descriptor, ...] | None:
        """None where the registry has no such API."""
        query = f"?artifactType={quote(artifact_type, safe='')}" if artifact_type else ""
        path = f"/v2/{repository.repository}/referrers/{subject}{query}"
        where = f"{repository.repository_name}: referrers of {subject}"
        scopes = frozenset({scope(repository.repository, "pull")})
        request = ApiRequest("GET", path, where, frozenset({200}) | _ABSENT, scopes, {"Accept": INDEX})
        found: list[Descriptor] = []
        for response, raw in pages(self.session, self.config, request):
            if response.status in _ABSENT:
                return None
            if media_type(response) != INDEX:
                return None
            found += self._entries(_index(raw, where))
            if len(found) > MAX_REFERRERS:
                raise ProtocolError(f"{where}: more than {MAX_REFERRERS}")
        return tuple(found)

    def _fallback(self, repository: Reference, subject: Digest) -> Fetched | None:
        return self._maybe(repository.tagged(fallback_tag(subject)))

    def _maybe(self, ref: Reference) -> Fetched | None:
        try:
            return self.manifests.fetch(ref)
        except NotFoundError:
            return None

    def _entries(self, source: Fetched | Index | None) -> tuple[Descriptor, ...]:
        if source is None:
            return ()
        document = source.document if isinstance(source, Fetched) else source
        if not isinstance(document, Index):
            raise ProtocolError("the tag that should list referrers is not an image index")
        return document.manifests

    def _write(self, ref: Reference, before: Fetched | None, added: list[Descriptor]) -> None:
        """One attempt; that somebody else was faster is seen when the tag is read again."""
        old: list[object] = []
        if before:
            self._entries(before)
            old = Fields(parse(before.document.raw, str(ref)), str(ref)).items("manifests")
        raw = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [*old, *(item.json() for item in added)]})
        conditions = {"If-Match": before.etag} if before and before.etag else {}
        if before is None:
            conditions = {"If-None-Match": "*"}
        try:
            self.manifests.put(ref, raw, INDEX, conditions)
        except StatusError as error:
            if error.status != 412:
                raise


def _digests(fetched: Fetched | None) -> frozenset[Digest]:
    if fetched is None or not isinstance(fetched.document, Index):
        return frozenset()
    return frozenset(item.digest for item in fetched.document.manifests)


def _index(raw: bytes, where: str) -> Index:
    try:
        document = parse_document(raw, INDEX, where)
    except DocumentError as error:
        raise ProtocolError(error.message) from None
    assert isinstance(document, Index)
    return document


def pieces(count: int) -> str:
    """How much evidence there is, in words."""
    return {0: "none", 1: "1 signature or attestation"}.get(count, f"{count} signatures and attestations")
