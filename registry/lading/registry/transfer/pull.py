"""From a registry into a store or a layout: an image with everything that refers to it; its name comes last."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from lading.registry.client.client import Client
from lading.registry.client.manifests import Fetched
from lading.registry.client.referrers import pieces
from lading.registry.errors import NotFoundError, ProtocolError
from lading.registry.reference import Reference
from lading.registry.transfer.images import ImageSink
from lading.registry.transfer.limits import EvidenceLimits
from lading.registry.transfer.parallel import each
from lading.registry.transfer.registry_source import RegistrySource
from lading.store.errors import RegistryError
from lading.store.fastclass import dataclass, field, replace
from lading.store.oci.descriptors import Descriptor, Platform
from lading.store.oci.digests import Digest
from lading.store.oci.documents import Index, Manifest
from lading.store.oci.platform_choice import child_for
from lading.store.oci.platforms import host_platform
from lading.store.progress import QUIET, Part, Progress, Task


@dataclass(frozen=True, slots=True)
class Pulled:
    """What was pulled."""

    reference: Reference
    descriptor: Descriptor
    """The topmost: an index where the reference named one."""
    manifest: Descriptor
    """The image itself."""
    platform: Platform | None
    """The one chosen in an index."""
    evidence: tuple[Descriptor, ...] = ()
    """Everything that refers to the index or the image, directly or not."""
    fetched: int = 0
    """Bytes of blobs that were not here before."""
    notes: tuple[str, ...] = ()
    """What was left out, one line each."""
    complete: bool = True
    """Whether the registry said all that it has as evidence."""


@dataclass(slots=True)
class Pull:
    """One pull under way."""

    client: Client
    ref: Reference
    source: RegistrySource
    sink: ImageSink
    platform: Platform
    progress: Progress = QUIET
    limits: EvidenceLimits = field(default_factory=EvidenceLimits)
    name: bool = True
    required: bool = True
    complete: bool = True
    fetched: int = 0
    notes: list[str] = field(default_factory=list[str])
    evidence: dict[Digest, Descriptor] = field(default_factory=dict[Digest, Descriptor])
    _papers: Task = field(default_factory=lambda: QUIET.task(""))
    _left: int = 0
    _blobs_left: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> Pulled:
        """Raises a `LadingError`; the name then means what it meant before."""
        self._left, self._blobs_left = self.limits.total, self.limits.blobs
        top = self._fetched(self.source.image())
        with self.sink.writing():
            image, child = self._image(top)
            assert isinstance(image.document, Manifest)
            manifest = image.document
            self._fetch(
                [manifest.config, *manifest.layers],
                lambda item: self._row(item) if item is not manifest.config else QUIET.task(""),
            )
            self._papers = self.progress.task("evidence")
            for document in {image.descriptor.digest: image, top.descriptor.digest: top}.values():
                self._refer(document)
            self._papers.done(pieces(len(self.evidence)))
            for document in {image.descriptor.digest: image, top.descriptor.digest: top}.values():
                self._keep(document)
            if self.name:
                self.sink.tag(self.ref.name, top.descriptor, [self.ref.name])
        return Pulled(
            self.ref,
            top.descriptor,
            image.descriptor,
            child.platform if child else None,
            tuple(self.evidence.values()),
            self.fetched,
            tuple(self.notes),
            self.complete,
        )

    def _image(self, top: Fetched) -> tuple[Fetched, Descriptor | None]:
        """The image itself, and its entry in the index if it was reached through one."""
        if isinstance(top.document, Manifest):
            return top, None
        child = child_for(top.document, self.platform, self.ref.familiar)
        fetched = self._child(child)
        if not isinstance(fetched.document, Manifest):
            raise ProtocolError(f"{self.ref.familiar}: {child.digest} is another index; that is not understood")
        return fetched, child

    def _child(self, child: Descriptor) -> Fetched:
        """A listed document; a copy that is here is as good, since it is verified by digest."""
        if self.sink.blobs.size(child.digest) == child.size and self.sink.is_intact(child.digest):
            return _by_digest(child, self.sink.document(child))
        return self._fetched(child)

    def _fetched(self, wanted: Descriptor) -> Fetched:
        return _by_digest(wanted, self.source.document(wanted))

    def _keep(self, fetched: Fetched, tag: str | None = None) -> None:
        raw, digest = fetched.document.raw, fetched.descriptor.digest
        self.sink.put_manifest(raw, fetched.descriptor.media_type, tag=tag)
        if digest.algorithm != "sha256":  # an index lists it by this digest
            with self.sink.blobs.writer(digest.algorithm) as writer:
                writer.write(raw)
                writer.commit(digest)

    # Blobs

    def _row(self, layer: Descriptor) -> Task:
        return self.progress.task(f"layer {layer.digest.short}", layer.size)

    def _fetch(self, wanted: Iterable[Descriptor], task: Callable[[Descriptor], Task]) -> None:
        """Every blob that is not here yet, several at once, each as the task that `task` gives."""

        def work(item: Descriptor, stop: threading.Event) -> None:
            self._blob(item, stop, task(item))

        missing = {item.digest: item for item in wanted if not self._has(item)}
        each(missing.values(), work, self.client.config.parallel)

    def _has(self, item: Descriptor) -> bool:
        if not self.sink.is_intact(item.digest):
            return False
        size = self.sink.blobs.size(item.digest)
        if size is not None and size != item.size:
            raise ProtocolError(f"{self.ref.familiar}: {item.digest} has {size} bytes, listed with {item.size}")
        return size is not None

    def _blob(self, item: Descriptor, stop: threading.Event, task: Task) -> None:
        self.client.pull_blob(self.ref, item, self.sink.blobs, task, stop)
        task.done()
        with self._lock:
            self.fetched += item.size

    # Evidence

    def _refer(self, subject: Fetched) -> None:
        """Everything that refers to a document, and to that, within bounds; what comes, unless all is required."""
        try:
            self._gather(subject)
        except RegistryError as error:
            if self.required:
                raise
            self.complete = False
            self.notes.append(f"what is evidence of {subject.descriptor.digest} could not be learnt: {error.message}")

    def _gather(self, subject: Fetched) -> None:
        digest = subject.descriptor.digest
        for tag, older in self.source.legacy_tags(digest).items():
            self._take(self._fetched(Descriptor("", older, 0)), tag)
        level = [digest]
        for _ in range(self.limits.depth):
            level = [found for item in level for found in self._referrers(item)]
        if level and any(self.source.referrers(item) for item in level):
            self.notes.append(f"evidence more than {self.limits.depth} steps away from {digest} was left out")

    def _referrers(self, subject: Digest) -> list[Digest]:
        """Takes what refers to `subject`; what was new."""
        new: list[Digest] = []
        for item in self.source.referrers(subject):
            if item.digest in self.evidence:
                continue
            try:
                fetched = self._child(item)
                if _subject(fetched) != subject:
                    self.notes.append(f"{item.digest} is listed as evidence of {subject}, but does not refer to it")
                elif self._take(fetched):
                    new.append(item.digest)
            except (NotFoundError, ProtocolError) as error:
                # Whoever may push could otherwise make an image unpullable by attaching rubbish to it.
                self.notes.append(f"evidence {item.digest} was left out: {error.message}")
        return new

    def _take(self, fetched: Fetched, tag: str | None = None) -> bool:
        """Keeps one piece of evidence with its blobs; whether it was within bounds."""
        document = fetched.document
        blobs = [document.config, *document.layers] if isinstance(document, Manifest) else []
        size = sum(item.size for item in blobs)
        if (
            len(self.evidence) >= self.limits.documents
            or len(blobs) > self._blobs_left
            or size > self._left
            or any(item.size > self.limits.blob for item in blobs)
        ):
            self.notes.append(f"evidence {fetched.descriptor.digest} ({size} bytes) is too much and was left out")
            return False
        self._left -= size
        self._blobs_left -= len(blobs)
        self._fetch(blobs, lambda item: Part(self._papers))
        self._keep(fetched, tag)
        self.evidence[fetched.descriptor.digest] = fetched.descriptor
        return True


def pull(
    client: Client,
    ref: Reference,
    sink: ImageSink,
    platform: Platform | None = None,
    progress: Progress = QUIET,
    *,
    limits: EvidenceLimits | None = None,
    name: bool = True,
    required: bool = True,
) -> Pulled:
    """Pulls the image of `platform` (None: this machine's) and all evidence, which is asked for anew every time.

    Blobs that are here are not fetched again. Evidence that could not be listed is an error, or with `required` off
    a note: the image comes all the same. The name is set after everything else is safely here, or left to the caller
    where not `name`. Raises a `LadingError`: `NotFoundError`, `InputError` where there is no such platform,
    `ProtocolError` ...
    """
    source, wanted = RegistrySource(client, ref), platform or host_platform()
    return Pull(client, ref, source, sink, wanted, progress, limits or EvidenceLimits(), name, required).run()


def _by_digest(wanted: Descriptor, document: Manifest | Index) -> Fetched:
    return Fetched(replace(document.descriptor, digest=wanted.digest), document)


def _subject(fetched: Fetched) -> Digest | None:
    return fetched.document.subject.digest if fetched.document.subject else None
