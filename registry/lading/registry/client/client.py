"""The client of all registries: manifests, blobs, tags, referrers. Blocking and thread-safe.

Nothing it returns rests on a registry's word: bytes are compared with their digest, lists are bounded, and what
could not be had is an error. `lading.registry.transfer` moves whole images with it.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Mapping
from types import TracebackType
from typing import Self

from lading.registry.auth.tokens import scope
from lading.registry.client.downloads import Download
from lading.registry.client.manifests import Fetched, Manifests
from lading.registry.client.pages import pages
from lading.registry.client.referrers import Referrers
from lading.registry.client.session import ApiRequest, Session
from lading.registry.client.uploads import Outcome, Upload
from lading.registry.client_config import ClientConfig
from lading.registry.credentials.files import Credential, Given
from lading.registry.errors import ProtocolError
from lading.registry.http.transport import HttpxTransport, Transport
from lading.registry.reference import Reference
from lading.store.content.blobs import Blobs, Source
from lading.store.errors import DocumentError
from lading.store.fastclass import replace
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.json import MAX_SIZE, Fields, parse
from lading.store.progress import QUIET, Task

MAX_TAGS = 1_000_000


class Client:
    """Speaks to any number of registries; a context manager that closes their connections."""

    def __init__(self, config: ClientConfig | None = None, transport: Transport | None = None) -> None:
        self.config = config or ClientConfig()
        self._transport = transport or HttpxTransport(self.config)
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def session(self, registry: str) -> Session:
        """The one session with a registry."""
        with self._lock:
            if registry not in self._sessions:
                self._sessions[registry] = Session(registry, self.config, self._transport)
            return self._sessions[registry]

    def forget(self, registry: str) -> None:
        """From now on its logins are looked up anew; what is under way goes on."""
        with self._lock:
            self._sessions.pop(registry, None)

    def will_push(self, repository: Reference) -> None:
        """Whatever is asked of a repository from now on is asked with the right to push: one login does for all."""
        self.session(repository.registry).intend(scope(repository.repository, "pull", "push"))

    # Manifests

    def resolve(self, ref: Reference) -> Descriptor:
        """What a reference means now. The document is fetched, since only its bytes prove its digest."""
        return self.fetch(ref).descriptor

    def manifest(self, ref: Reference) -> tuple[Descriptor, bytes]:
        """The verified document."""
        fetched = self.fetch(ref)
        return fetched.descriptor, fetched.document.raw

    def fetch(self, ref: Reference, *, limit: int = MAX_SIZE) -> Fetched:
        """The verified document, parsed. Raises `NotFoundError`, `ProtocolError`, another `RegistryError`."""
        return self._manifests(ref).fetch(ref, limit=limit)

    def head(self, ref: Reference) -> Descriptor | None:
        """What the registry says it has, unverified; None where it has nothing or does not say."""
        return self._manifests(ref).head(ref)

    def push_manifest(self, ref: Reference, raw: bytes, media_type: str) -> None:
        """Writes a manifest under a tag, or under its digest."""
        self._manifests(ref).put(ref, raw, media_type)

    def delete(self, ref: Reference) -> bool:
        """Deletes a tag, or a manifest by digest with all its tags; whether it was there."""
        return self._manifests(ref).delete(ref)

    # Blobs

    def blob(self, repository: Reference, descriptor: Descriptor, *, limit: int = MAX_SIZE) -> bytes:
        """A whole small blob, verified. Raises `ProtocolError` where it is larger than `limit` bytes."""
        from lading.store.content.blobs import read_blob  # noqa: PLC0415
        from lading.store.content.memory import MemoryBlobs  # noqa: PLC0415

        if descriptor.size > limit:
            raise ProtocolError(
                f"{repository.repository_name}: blob {descriptor.digest}: {descriptor.size} bytes, "
                f"more than the {limit} allowed here"
            )
        blobs = MemoryBlobs()
        self.pull_blob(repository, descriptor, blobs)
        return read_blob(blobs, descriptor.digest, limit=limit)

    def pull_blob(
        self,
        repository: Reference,
        descriptor: Descriptor,
        blobs: Blobs,
        task: Task | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """Streams a blob into `blobs`."""
        self._download(repository, descriptor, task, stop).into(blobs)

    def blob_pieces(self, repository: Reference, descriptor: Descriptor) -> Generator[memoryview, None, None]:
        """A blob's bytes as they come, as many as its descriptor says: whoever takes them compares their digest."""
        return self._download(repository, descriptor).pieces()

    def _download(
        self,
        repository: Reference,
        descriptor: Descriptor,
        task: Task | None = None,
        stop: threading.Event | None = None,
    ) -> Download:
        session = self.session(repository.registry)
        return Download(session, self.config, repository, descriptor, task or QUIET.task(""), stop or threading.Event())

    def push_blob(
        self,
        repository: Reference,
        descriptor: Descriptor,
        blobs: Source,
        task: Task | None = None,
        *,
        mount_from: Iterable[str] = (),
        stop: threading.Event | None = None,
    ) -> Outcome:
        """Makes a blob of `blobs` be in the registry; `mount_from` are repositories there that may have it."""
        upload = Upload(
            self.session(repository.registry),
            self.config,
            repository,
            descriptor,
            blobs,
            task or QUIET.task(""),
            stop or threading.Event(),
        )
        return upload.run(tuple(other for other in mount_from if other != repository.repository))

    # Lists

    def tags(self, repository: Reference) -> list[str]:
        """Every tag, in the registry's order."""
        where = f"{repository.repository_name}: tags"
        path = f"/v2/{repository.repository}/tags/list?n=1000"
        request = ApiRequest("GET", path, where, scopes=frozenset({scope(repository.repository, "pull")}))
        found: list[str] = []
        for _, raw in pages(self.session(repository.registry), self.config, request):
            try:
                found += Fields(parse(raw, where), where).strings("tags")
            except DocumentError as error:
                raise ProtocolError(error.message) from None
            if len(found) > MAX_TAGS:
                raise ProtocolError(f"{where}: more than {MAX_TAGS}")
        return found

    def referrers(
        self, repository: Reference, subject: Digest, artifact_type: str | None = None
    ) -> tuple[Descriptor, ...]:
        """What refers to `subject`; raises rather than leaving something out."""
        return self._referrers(repository).all(repository, subject, artifact_type)

    def legacy_evidence(self, repository: Reference, subject: Digest) -> Mapping[str, Fetched]:
        """cosign's older evidence of `subject`, by tag."""
        return self._referrers(repository).legacy(repository, subject)

    def publish_referrers(
        self, repository: Reference, subject: Digest, added: Iterable[Descriptor]
    ) -> tuple[Descriptor, ...]:
        """Makes manifests that were just pushed be listed as referring to `subject`.

        The registry does that itself if it has the referrers API; else the stand-in tag is written. Returns
        what the API leaves out all the same.
        """
        return self._referrers(repository).publish(repository, subject, added)

    # Logins

    def ping(self, registry: str) -> None:
        """Raises a `RegistryError` unless the registry is there and accepts whoever asks."""
        self.session(registry).send(ApiRequest("GET", "/v2/", registry)).__exit__(None, None, None)

    def close(self) -> None:
        """Closes all connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def _manifests(self, ref: Reference) -> Manifests:
        return Manifests(self.session(ref.registry), self.config)

    def _referrers(self, ref: Reference) -> Referrers:
        return Referrers(self.session(ref.registry), self.config, self._manifests(ref))


def check_login(registry: str, credential: Credential, config: ClientConfig) -> None:
    """Asks the registry whether it accepts a credential. Raises `UnauthorizedError` where it does not."""
    with Client(replace(config, credentials=Given(registry, credential))) as client:
        client.ping(registry)
