"""What attests an image, whichever front end built it: its signature, its provenance, the DAG with signed links.

The key is opened when something has to be signed, never before. Attestations are made anew only where what they
say would be different: parameters, names, signer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import cast

from lading.build.attest.image import timestamp
from lading.build.graph.cache import Cache, Product, key_of
from lading.build.graph.request import KeySource, Tools
from lading.store.content.blobs import write_blob
from lading.store.fastclass import dataclass, replace
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import MANIFEST
from lading.verify.documents import dag_artifact, signing
from lading.verify.documents.attach import Artifact
from lading.verify.documents.dag import Dag
from lading.verify.documents.provenance import Provenance
from lading.verify.documents.statements import SIGN, Statement, Subject
from lading.verify.keys.keys import Signer
from lading.verify.policy.scopes import repository


@dataclass(frozen=True, slots=True)
class Testimony:
    """What is to be attested: the DAG, the (action key, product) of each link it numbers, and the provenance.

    `provenance` makes the predicate that names the DAG artifact; given None, it leaves out that name and all times.
    """

    dag: Dag
    products: Sequence[tuple[str, Product]]
    provenance: Callable[[Digest | None], Provenance]


@dataclass(frozen=True, slots=True)
class Attestations:
    """Those of one image under the names of one call."""

    tools: Tools
    cache: Cache
    image: Descriptor
    names: Sequence[str]

    def attest(self, testimony: Testimony) -> tuple[tuple[Descriptor, ...], bool]:
        """The attestations, and whether they are those of an earlier build. None without a key."""
        source = self.tools.key
        if source is None:
            return (), False
        key = self._key(testimony, source)
        with self.cache.lock(key):
            held = self._held(key)
            if held:
                return held, True
            made = self._make(testimony, source.open())
            self.cache.put("image", key, json.dumps([descriptor.json() for descriptor in made]).encode())
            return made, False

    def _key(self, testimony: Testimony, source: KeySource) -> str:
        return key_of(
            {
                "image": str(self.image.digest),
                "names": list(self._repositories()),
                "signer": source.fingerprint,
                "provenance": testimony.provenance(None).predicate(),
                "dag": testimony.dag.raw().decode(),
            }
        )

    def _held(self, key: str) -> tuple[Descriptor, ...]:
        raw = self.cache.get("image", key)
        try:
            rows = cast("list[object]", json.loads(raw)) if raw else []
        except ValueError:
            return ()
        found = tuple(Descriptor.parse(row, "cache row") for row in rows)
        here = all(self.tools.store.seals.holds(descriptor.digest) for descriptor in found)
        return found if here else ()

    def _make(self, testimony: Testimony, signer: Signer) -> tuple[Descriptor, ...]:
        image = self.image
        created = timestamp(self.tools.clock())
        links = [self._envelope(key, product, signer) for key, product in testimony.products]
        artifact = dag_artifact.artifact(image, testimony.dag, links)
        subjects = self._subjects()
        provenance = testimony.provenance(artifact.descriptor.digest)
        artifacts = (
            signing.attest(image, Statement(subjects, SIGN), signer, created),
            signing.attest(image, provenance.statement(subjects), signer, created),
            artifact,
        )
        return tuple(self._store(one) for one in artifacts)

    def _envelope(self, key: str, product: Product, signer: Signer) -> bytes:
        """The link of a step, signed now if no build before signed it."""
        if product.envelope:
            return product.envelope
        envelope = signing.seal(Statement.parse(product.statement), signer).raw()
        self.cache.keep(key, replace(product, envelope=envelope))
        return envelope

    def _store(self, artifact: Artifact) -> Descriptor:
        for blob in artifact.blobs:
            write_blob(self.tools.store.blobs, blob)
        stored = self.tools.store.put_manifest(artifact.manifest, MANIFEST)
        return replace(stored, artifact_type=artifact.artifact_type)

    def _repositories(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(repository(name) for name in self.names))

    def _subjects(self) -> tuple[Subject, ...]:
        subjects = tuple(signing.subject_of(self.image, name) for name in self._repositories())
        return subjects or (signing.subject_of(self.image),)
