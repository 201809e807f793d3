"""Entries that travel with an image: one document of all that its own layers came of, attached to it.

The layers are the image's own, as it has them; the document's envelopes say which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from threading import Lock
from typing import Final

from lading.registry.client.client import Client
from lading.registry.errors import NotFoundError, ProtocolError
from lading.registry.reference import Reference
from lading.store.errors import DocumentError, LadingError
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import MANIFESTS, Manifest, parse_document
from lading.store.oci.json import Fields, canonical, parse
from lading.verify.documents.attach import Artifact, compose
from lading.verify.documents.envelopes import Envelope

ACTIONS: Final = "application/vnd.lading.actions.v1+json"
MAX_SIZE: Final = 64 * 1024 * 1024
"""Bytes of one document, and of all that a reference carries."""
MAX_IMAGES: Final = 32
"""Images of one index that are looked at."""
MAX_DOCUMENTS: Final = 8
"""Documents of one image that are looked at: anybody with the right to push can attach more."""


def inline_artifact(image: Descriptor, envelopes: Mapping[str, bytes]) -> Artifact:
    """The artifact about `image` with envelopes by their tags. Raises `DocumentError` for more than it can hold."""
    entries = {tag: parse(raw, "entry", limit=MAX_SIZE) for tag, raw in envelopes.items()}
    document = canonical({"mediaType": ACTIONS, "entries": entries})
    if len(document) > MAX_SIZE:
        raise DocumentError(f"the entries of {image.digest} are {len(document)} bytes, more than {MAX_SIZE}")
    return compose(image, ACTIONS, [(ACTIONS, document)], {})


class InlineEntries:
    """Those that the image `reference` carries in its registry; of an index, those of its images.

    What is attached and is not in the form is passed over, and `warn` is told.
    """

    def __init__(self, client: Client, reference: Reference, warn: Callable[[str], None]) -> None:
        self._client, self._reference, self._warn = client, reference, warn
        self._lock = Lock()
        self._found: dict[str, list[bytes]] | None = None

    def of(self, tag: str) -> tuple[bytes, ...]:
        """The envelopes of that tag; the registry is asked once, and what it refuses is none."""
        with self._lock:
            if self._found is None:
                self._found = {}
                try:
                    self._read_all(self._found)
                except LadingError as error:
                    self._warn(f"cache {self._reference}: what it carries cannot be read: {error.message}")
        return tuple(self._found.get(tag, ()))

    def _read_all(self, found: dict[str, list[bytes]]) -> None:
        left = MAX_SIZE
        for image in self._images():
            listed = self._client.referrers(self._reference, image.digest, ACTIONS)
            for descriptor in self._first(listed, MAX_DOCUMENTS, f"documents about {image.digest.short}"):
                try:
                    document = self._document(image, descriptor, left)
                    left -= len(document)
                    for tag, envelope in _entries(document):
                        found.setdefault(tag, []).append(envelope)
                except (DocumentError, NotFoundError, ProtocolError) as error:
                    self._warn(f"cache {self._reference}: {descriptor.digest}: {error.message}")

    def _images(self) -> tuple[Descriptor, ...]:
        try:
            fetched = self._client.fetch(self._reference)
        except NotFoundError:
            return ()
        if isinstance(fetched.document, Manifest):
            return (fetched.descriptor,)
        listed = fetched.document.manifests
        images = tuple(one for one in listed if one.media_type in MANIFESTS and one.artifact_type is None)
        return self._first(images, MAX_IMAGES, "images")

    def _first(self, listed: tuple[Descriptor, ...], most: int, what: str) -> tuple[Descriptor, ...]:
        if len(listed) > most:
            self._warn(f"cache {self._reference}: of {len(listed)} {what} the first {most} are looked at")
        return listed[:most]

    def _document(self, image: Descriptor, descriptor: Descriptor, limit: int) -> bytes:
        _, raw = self._client.manifest(self._reference.at(descriptor.digest))
        manifest = parse_document(raw, None, "its manifest")
        if (
            not isinstance(manifest, Manifest)
            or manifest.subject is None
            or manifest.subject.digest != image.digest
            or [layer.media_type for layer in manifest.layers] != [ACTIONS]
        ):
            raise DocumentError("is not the entries of that image")
        return self._client.blob(self._reference, manifest.layers[0], limit=limit)


def _entries(document: bytes) -> Iterator[tuple[str, bytes]]:
    fields = Fields(parse(document, "entries", limit=MAX_SIZE), "entries")
    if fields.text("mediaType") != ACTIONS:
        raise DocumentError("is of another media type than it says")
    entries = fields.fields("entries")
    fields.close()
    for tag in entries.names():
        yield tag, Envelope.read(entries.fields(tag)).raw()
