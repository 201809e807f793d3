"""Signatures and attestations of images that exist already, attached where `verify` looks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from lading.registry.reference import Reference
from lading.store.content.blobs import write_blob
from lading.store.content.memory import MemoryBlobs
from lading.store.errors import Remedy, UsageError
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import MANIFEST, Index, parse_document
from lading.store.oci.json import Fields, parse
from lading.verify.documents import signing
from lading.verify.documents.attach import Artifact
from lading.verify.documents.statements import SIGN, Statement, predicate_type
from lading.verify.keys.keys import Signer

if TYPE_CHECKING:
    from lading.host.images.images import Images
    from lading.registry.client.client import Client

_MAX_PREDICATE: Final = 11 * 1024 * 1024
"""Bytes, which fit into an envelope in base64."""
Make = Callable[[Descriptor, str | None, Signer], Artifact]
"""An artifact about an image, and the repository that it is for where it has a name."""


def timestamp() -> str:
    """Now, as RFC 3339 without a fraction."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Attestor:
    """Makes papers with one key, opened by `signer` when the image was found and not before.

    `images` and `client` are asked for only where they are needed: the one here, the other at a registry.
    """

    def __init__(
        self, images: Callable[[], Images], client: Callable[[], Client], signer: Callable[[], Signer]
    ) -> None:
        self._images = images
        self._client = client
        self._signer = signer

    def sign(self, text: str, annotations: Mapping[str, str], *, remote: bool, recursive: bool) -> list[Descriptor]:
        """A plain signature."""

        def make(subject: Descriptor, name: str | None, signer: Signer) -> Artifact:
            return signing.sign(subject, signer, timestamp(), name=name, annotations=annotations)

        return self._attach(text, make, remote=remote, recursive=recursive)

    def attest(self, text: str, kind: str, predicate: bytes, *, remote: bool) -> list[Descriptor]:
        """A statement of the type `kind` (cosign's short names, or a URI) with the JSON object `predicate`.

        A signature is refused: whoever is asked to attest something must not thereby let the image run.
        """
        if predicate_type(kind) == SIGN:
            hint = Remedy("sign instead", "sign it")
            raise UsageError(f"type {kind}: an image is signed, not attested, with it", hint=hint, option="type")
        value = Fields(parse(predicate, "the predicate", limit=_MAX_PREDICATE), "the predicate").rest()

        def make(subject: Descriptor, name: str | None, signer: Signer) -> Artifact:
            statement = Statement((signing.subject_of(subject, name),), predicate_type(kind), value)
            return signing.attest(subject, statement, signer, timestamp())

        return self._attach(text, make, remote=remote, recursive=False)

    def _attach(self, text: str, make: Make, *, remote: bool, recursive: bool) -> list[Descriptor]:
        return self._attach_remotely(text, make, recursive) if remote else self._attach_locally(text, make, recursive)

    def _attach_locally(self, text: str, make: Make, recursive: bool) -> list[Descriptor]:
        images = self._images()
        store = images.store
        located = images.get(text)
        name = Reference.parse(located.names[0]).repository_name if len(located.names) == 1 else None
        subjects = [located.descriptor]
        document = store.document(located.descriptor)
        if recursive and isinstance(document, Index):
            subjects += [child for child in document.manifests if store.blobs.size(child.digest) is not None]
        signer = self._signer()
        with store.writing():
            for subject in subjects:
                artifact = make(subject, name, signer)
                for blob in artifact.blobs:
                    write_blob(store.blobs, blob)
                store.put_manifest(artifact.manifest, MANIFEST)
        return subjects

    def _attach_remotely(self, text: str, make: Make, recursive: bool) -> list[Descriptor]:
        client = self._client()
        reference = Reference.parse(text)
        client.will_push(reference)
        subject, raw = client.manifest(reference)
        subjects = [subject]
        document = parse_document(raw, subject.media_type, text)
        if recursive and isinstance(document, Index):
            subjects += list(document.manifests)
        signer = self._signer()
        for one in subjects:
            self._upload(reference, one, make(one, reference.repository_name, signer))
        return subjects

    def _upload(self, reference: Reference, subject: Descriptor, artifact: Artifact) -> None:
        client = self._client()
        content = MemoryBlobs()
        for blob in artifact.blobs:
            write_blob(content, blob)
            client.push_blob(reference, Descriptor.of(blob, "application/octet-stream"), content)
        client.push_manifest(reference.at(artifact.descriptor.digest), artifact.manifest, MANIFEST)
        client.publish_referrers(reference, subject.digest, [artifact.descriptor])
