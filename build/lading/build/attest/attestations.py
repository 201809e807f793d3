"""What attests an image, whichever front end built it: its signature, its provenance, the DAG with signed links.

The key is opened when something has to be signed, never before. Attestations are made anew only where what they
say would be different: parameters, names, signer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final, cast

from lading.build.attest.image_manifest import timestamp
from lading.build.graph.action import ActionCache, ActionResult, key_of
from lading.build.graph.request import BuildEnvironment, KeySource
from lading.build.solver.local_cache import one_builder
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

_KIND: Final = "image"
"""Of the rows in the index that name the attestations of an image."""


@dataclass(frozen=True, slots=True)
class AttestationInputs:
    """What is to be attested: the DAG, the (action key, result) of each link it numbers, and the provenance.

    `provenance` makes the predicate that names the DAG artifact; given None, it leaves out that name and all times.
    """

    dag: Dag
    results: Sequence[tuple[str, ActionResult]]
    provenance: Callable[[Digest | None], Provenance]
    attached: tuple[Artifact, ...] = ()
    """What is attached beside them."""


@dataclass(frozen=True, slots=True)
class AttestationWriter:
    """Those of one image under the names of one call."""

    environment: BuildEnvironment
    cache: ActionCache
    image: Descriptor
    names: Sequence[str]

    def attest(self, inputs: AttestationInputs) -> tuple[tuple[Descriptor, ...], bool]:
        """The attestations, and whether they are those of an earlier build. None without a key."""
        source = self.environment.key
        if source is None:
            return (), False
        return self.once(self._key(inputs, source), lambda: self._make(inputs, source.open()))

    def sign(self) -> tuple[tuple[Descriptor, ...], bool]:
        """As `attest`, the signature alone: that of an index, whose images have their own."""
        source = self.environment.key
        if source is None:
            return (), False
        found = {"image": str(self.image.digest), "names": list(self._repositories()), "signer": source.fingerprint}
        return self.once(key_of(found), lambda: (self.store(self._signature(source.open())),))

    def once(self, key: str, make: Callable[[], tuple[Descriptor, ...]]) -> tuple[tuple[Descriptor, ...], bool]:
        """What `make` attached to the image, now or for an earlier build of the same `key`, and whether that is so."""
        with one_builder(self.environment.store.root, key):
            held = self._held(key)
            if held:
                return held, True
            made = make()
            self.environment.store.index.remember(
                _KIND, key, json.dumps([descriptor.json() for descriptor in made]).encode()
            )
            return made, False

    def _signature(self, signer: Signer) -> Artifact:
        created = timestamp(self.environment.clock())
        return signing.attest(self.image, Statement(self._subjects(), SIGN), signer, created)

    def _key(self, inputs: AttestationInputs, source: KeySource) -> str:
        return key_of(
            {
                "image": str(self.image.digest),
                "names": list(self._repositories()),
                "signer": source.fingerprint,
                "provenance": inputs.provenance(None).predicate(),
                "dag": inputs.dag.raw().decode(),
            }
        )

    def _held(self, key: str) -> tuple[Descriptor, ...]:
        raw = self.environment.store.index.recall(_KIND, key)
        try:
            rows = cast("list[object]", json.loads(raw)) if raw else []
        except ValueError:
            return ()
        found = tuple(Descriptor.parse(row, "cache row") for row in rows)
        here = all(self.environment.store.seals.holds(descriptor.digest) for descriptor in found)
        return found if here else ()

    def _make(self, inputs: AttestationInputs, signer: Signer) -> tuple[Descriptor, ...]:
        image = self.image
        created = timestamp(self.environment.clock())
        links = self._envelopes(inputs, signer)
        artifact = dag_artifact.artifact(image, inputs.dag, links)
        subjects = self._subjects()
        provenance = inputs.provenance(artifact.descriptor.digest)
        artifacts = (
            self._signature(signer),
            signing.attest(image, provenance.statement(subjects), signer, created),
            artifact,
            *inputs.attached,
        )
        return tuple(self.store(one) for one in artifacts)

    def _envelopes(self, inputs: AttestationInputs, signer: Signer) -> list[bytes]:
        """The links of the steps, signed now where no build before signed them."""
        found = [(key, result, result.envelope or _signed(result, signer)) for key, result in inputs.results]
        with self.environment.store.index.transaction():
            for key, result, envelope in found:
                if not result.envelope:
                    self.cache.keep(key, replace(result, envelope=envelope))
        return [envelope for _, _, envelope in found]

    def store(self, artifact: Artifact) -> Descriptor:
        """Keeps an artifact about the image."""
        self.environment.store.blobs.write_all(artifact.blobs)
        stored = self.environment.store.put_manifest(artifact.manifest, MANIFEST)
        return replace(stored, artifact_type=artifact.artifact_type)

    def _repositories(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(repository(name) for name in self.names))

    def _subjects(self) -> tuple[Subject, ...]:
        subjects = tuple(signing.subject_of(self.image, name) for name in self._repositories())
        return subjects or (signing.subject_of(self.image),)


def _signed(result: ActionResult, signer: Signer) -> bytes:
    return signing.sign_statement(Statement.parse(result.statement), signer).raw()
