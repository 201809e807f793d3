"""From a store, a layout or a registry into a registry: blobs, children, the image, its evidence; the tag comes last.

Evidence goes to the digest before the tag moves, so that nobody sees the tag without it, and a registry that
judges a tag has what it needs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from lading.registry.client.client import Client
from lading.registry.client.referrers import pieces
from lading.registry.reference import Reference
from lading.registry.transfer.images import ImageSource
from lading.registry.transfer.parallel import each
from lading.store.errors import InputError, RegistryError
from lading.store.fastclass import dataclass, field
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import Index, Manifest, as_referrer
from lading.store.progress import QUIET, Part, Progress, Task

_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was pushed."""

    reference: Reference
    descriptor: Descriptor
    evidence: tuple[Descriptor, ...] = ()
    """Everything that was carried along, new in the registry or not."""
    sent: int = 0
    """Bytes of blobs that the registry did not have."""
    changed: bool = True
    """Whether the registry had the tag elsewhere or nowhere."""
    notes: tuple[str, ...] = ()
    """What was left out, one line each."""


@dataclass(slots=True)
class Push:
    """One push under way."""

    client: Client
    ref: Reference
    source: ImageSource
    descriptor: Descriptor
    progress: Progress = QUIET
    sent: int = 0
    notes: list[str] = field(default_factory=list[str])
    evidence: dict[Digest, Descriptor] = field(default_factory=dict[Digest, Descriptor])
    _papers: Task = field(default_factory=lambda: QUIET.task(""))
    _mounts: tuple[str, ...] = ()
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> Pushed:
        """Raises a `LadingError`; the tag then means what it meant before."""
        self.client.will_push(self.ref)
        top = self.source.document(self.descriptor)
        self._mounts = self._sources()
        there = self.client.head(self.ref)
        changed = there is None or there.digest != self.descriptor.digest
        if changed:
            self._plan(top)
            self._image(top)
        self._papers = self.progress.task("evidence")
        for document in [*self._children(top), top]:
            self._refer(document.descriptor.digest, 0)
        self._papers.done(pieces(len(self.evidence)))
        if changed:
            self.client.push_manifest(self.ref, top.raw, top.media_type)
        return Pushed(self.ref, self.descriptor, tuple(self.evidence.values()), self.sent, changed, tuple(self.notes))

    # The image

    def _plan(self, top: Manifest | Index) -> None:
        """Refuses before the first byte is sent, if something is missing here."""
        for manifest in self._children(top) if isinstance(top, Index) else [top]:
            for item in _blobs(manifest):
                if self.source.blobs.size(item.digest) is None:
                    raise InputError(
                        f"{self.ref.familiar}: {item.digest} of {manifest.descriptor.digest} is not in"
                        f" {self.source.where}",
                        hint="pull or build the image again",
                    )
        for child in top.manifests if isinstance(top, Index) else ():
            if self.source.blobs.size(child.digest) is None and self.client.head(self.ref.at(child.digest)) is None:
                raise InputError(
                    f"{self.ref.familiar}: the image for {child.platform or child.digest} is neither in"
                    f" {self.source.where} nor in the registry",
                    hint="push one platform by its digest, or pull the others first",
                )

    def _children(self, top: Manifest | Index) -> list[Manifest | Index]:
        """An index's children that are here, depth first."""
        if isinstance(top, Manifest):
            return []
        found: list[Manifest | Index] = []
        for child in top.manifests:
            if self.source.blobs.size(child.digest) is not None:
                document = self.source.document(child)
                found += [*self._children(document), document]
        return found

    def _image(self, top: Manifest | Index) -> None:
        documents = [*self._children(top), top]
        configs = {document.config.digest for document in documents if isinstance(document, Manifest)}
        self._blobs(
            (item for document in documents for item in _blobs(document)),
            lambda item: self._row(item) if item.digest not in configs else QUIET.task(""),
        )
        for document in documents:
            self._document(document)

    def _document(self, document: Manifest | Index) -> None:
        ref = self.ref.at(document.descriptor.digest)
        if self.client.head(ref) is None:
            self.client.push_manifest(ref, document.raw, document.media_type)

    def _row(self, layer: Descriptor) -> Task:
        return self.progress.task(f"layer {layer.digest.short}", layer.size)

    def _blobs(self, wanted: Iterable[Descriptor], task: Callable[[Descriptor], Task]) -> None:
        """Several at once, each as the task that `task` gives."""

        def work(item: Descriptor, stop: threading.Event) -> None:
            self._blob(item, stop, task(item))

        each({item.digest: item for item in wanted}.values(), work, self.client.config.parallel)

    def _blob(self, item: Descriptor, stop: threading.Event, task: Task) -> None:
        blobs = self.source.blobs
        outcome = self.client.push_blob(self.ref, item, blobs, task, mount_from=self._mounts, stop=stop)
        task.done("" if outcome == "pushed" else outcome)
        if outcome == "pushed":
            with self._lock:
                self.sent += item.size

    def _sources(self) -> tuple[str, ...]:
        """Repositories of the same registry that this image has been in."""
        names: dict[str, None] = {}
        for name in self.source.origins_of(self.descriptor.digest):
            other = Reference.parse(name)
            if other.registry == self.ref.registry and other.repository != self.ref.repository:
                names[other.repository] = None
        return tuple(names)

    # Evidence

    def _refer(self, subject: Digest, depth: int) -> None:
        """Everything here that refers to `subject`, and to that."""
        legacy = self.source.legacy_tags(subject)
        for tag, digest in legacy.items():
            self._legacy(tag, digest)
        own = [item for item in self.source.referrers(subject) if item.digest not in set(legacy.values())]
        if not own or depth >= _MAX_DEPTH:
            return
        there = self._listed(subject)
        new = [self.source.document(item) for item in own if item.digest not in there]
        for document in new:
            self._blobs(_blobs(document), lambda item: Part(self._papers))
            self._document(document)
        if new:
            for lost in self.client.publish_referrers(self.ref, subject, map(as_referrer, new)):
                self.notes.append(f"{lost.digest} was pushed, but the registry does not list it with {subject}")
        for item in own:
            self.evidence[item.digest] = item
            self._refer(item.digest, depth + 1)

    def _listed(self, subject: Digest) -> set[Digest]:
        """What needs no pushing; nothing where the registry does not say."""
        try:
            return {item.digest for item in self.client.referrers(self.ref, subject)}
        except RegistryError:
            return set()

    def _legacy(self, tag: str, digest: Digest) -> None:
        """cosign's older form: one manifest of all signatures. One in which others have more is left to them."""
        document = self.source.document(Descriptor("", digest, 0))
        try:
            there = self.client.legacy_evidence(self.ref, _subject_of(tag)).get(tag)
        except RegistryError as error:
            self.notes.append(f"{tag} was left as it is, for the registry does not show it: {error.message}")
            return
        ours, theirs = _layers(document), _layers(there.document) if there else frozenset[Digest]()
        if theirs - ours:
            if ours - theirs:
                self.notes.append(f"{tag} in the registry has signatures that are not here; it was left as it is")
            return
        if there is None or there.descriptor.digest != digest:
            self._blobs(_blobs(document), lambda item: Part(self._papers))
            self.client.push_manifest(self.ref.tagged(tag), document.raw, document.media_type)
        self.evidence[digest] = document.descriptor


def push(
    client: Client, ref: Reference, source: ImageSource, descriptor: Descriptor, progress: Progress = QUIET
) -> Pushed:
    """Pushes a manifest or index with everything in the source that refers to it. It never signs.

    Raises `InputError` where something of the image is missing here, a `RegistryError` otherwise.
    """
    with source.writing():  # what is being sent is not collected meanwhile
        return Push(client, ref, source, descriptor, progress).run()


def _blobs(document: Manifest | Index) -> tuple[Descriptor, ...]:
    return (document.config, *document.layers) if isinstance(document, Manifest) else ()


def _layers(document: Manifest | Index) -> frozenset[Digest]:
    listed = document.layers if isinstance(document, Manifest) else document.manifests
    return frozenset(item.digest for item in listed)


def _subject_of(tag: str) -> Digest:
    algorithm, _, rest = tag.partition("-")
    return Digest(algorithm, rest.rpartition(".")[0])
