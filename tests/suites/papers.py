"""Images and their papers for tests: real keys, real envelopes, in a shelf that `StoreEvidence` reads."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lading.store.content.blobs import write_blob
from lading.store.content.memory import MemoryBlobs
from lading.store.oci.descriptors import Descriptor, Platform
from lading.store.oci.digests import Digest
from lading.store.oci.documents import CONFIG, INDEX, LAYER, MANIFEST, Index, Manifest, parse_document
from lading.verify.documents.attach import Artifact
from lading.verify.documents.provenance import Provenance
from lading.verify.documents.signing import attest, sign, subject_of
from lading.verify.documents.statements import Statement
from lading.verify.evidence.evidence import ReferrerList, StoreEvidence
from lading.verify.judgement.targets import Target
from lading.verify.keys.keys import PrivateKey
from lading.verify.keys.named_key import NamedKey
from lading.verify.policy.policy import Policy
from lading.verify.policy.yaml_reader import parse_policy

CREATED = "2026-01-02T03:04:05Z"
NAME = "docker.io/library/app:latest"
LINUX = Platform("linux", "amd64")


@functools.cache
def key(name: str) -> PrivateKey:
    """The same key for the same name, in one run."""
    return PrivateKey.generate()


def named(name: str) -> NamedKey:
    return NamedKey(name, key(name).public)


def pem(name: str) -> str:
    return key(name).public.pem.decode()


def image(word: str = "app") -> Manifest:
    """An image that is different for each word; its layer is never read."""
    raw = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": Descriptor.of(f'"{word}"'.encode(), CONFIG).json(),
            "layers": [Descriptor.of(word.encode(), LAYER).json()],
        }
    ).encode()
    document = parse_document(raw, MANIFEST, word)
    assert isinstance(document, Manifest)
    return document


def index(*manifests: Manifest) -> Index:
    raw = json.dumps(
        {"schemaVersion": 2, "mediaType": INDEX, "manifests": [item.descriptor.json() for item in manifests]}
    ).encode()
    document = parse_document(raw, INDEX, "index")
    assert isinstance(document, Index)
    return document


def signature(subject: Descriptor, signer: str = "own", **options: object) -> Artifact:
    return sign(subject, key(signer), CREATED, **options)  # type: ignore[arg-type]


def provenance(
    subject: Descriptor,
    signer: str = "own",
    *,
    builder: str = "urn:lading:builder:local",
    build_type: str = "urn:lading:build:dockerfile:1",
    bases: tuple[object, ...] = (),
    name: str | None = None,
    internal: Mapping[str, object] | None = None,
) -> Artifact:
    dependencies = tuple(base.resource() for base in bases)  # type: ignore[attr-defined]
    predicate = Provenance(build_type, builder, internal=internal or {}, dependencies=dependencies)
    return attest(subject, predicate.statement((subject_of(subject, name),)), key(signer), CREATED)


def attestation(subject: Descriptor, uri: str, predicate: dict[str, object], signer: str = "own") -> Artifact:
    return attest(subject, Statement((subject_of(subject),), uri, predicate), key(signer), CREATED)


def rehang(artifact: Artifact, subject: Descriptor, /, **changes: Any) -> Artifact:
    """The artifact with another subject in its manifest: what an attacker with push rights can do."""
    value = json.loads(artifact.manifest) | {"subject": subject.json()} | changes
    value = {name: item for name, item in value.items() if item is not None}
    return replace(artifact, manifest=json.dumps(value).encode())


class Shelf:
    """Blobs in memory and who refers to what: what `StoreEvidence` asks of a store."""

    def __init__(self, *artifacts: Artifact) -> None:
        self.blobs = MemoryBlobs()
        self.listed: dict[Digest, list[Descriptor]] = {}
        for artifact in artifacts:
            self.attach(artifact)

    def attach(self, artifact: Artifact, subject: Digest | None = None) -> Shelf:
        """Stores it and lists it under its own subject, or another."""
        own = parse_document(artifact.manifest, MANIFEST, "artifact").subject
        where = subject or (own.digest if own else None)
        assert where is not None
        return self.list(where, artifact.descriptor, artifact.manifest, *artifact.blobs)

    def list(self, subject: Digest, descriptor: Descriptor, *contents: bytes) -> Shelf:
        for data in contents:
            write_blob(self.blobs, data)
        self.listed.setdefault(subject, []).append(descriptor)
        return self

    def referrers(self, subject: Digest, /) -> tuple[Descriptor, ...]:
        return tuple(self.listed.get(subject, ()))

    @property
    def evidence(self) -> StoreEvidence:
        return StoreEvidence(self)


class Broken:
    """A place that answers nothing, like a registry that is down."""

    name = "a registry that is down"

    def referrers(self, subject: Descriptor) -> ReferrerList:
        raise ConnectionError("no route to host")

    def read(self, descriptor: Descriptor, *, limit: int) -> bytes:
        raise ConnectionError("no route to host")


def target(manifest: Manifest, *names: str, through: Index | None = None, origins: tuple[str, ...] = ()) -> Target:
    return Target(manifest, through, LINUX, names or (NAME,), origins)


def policy(text: str, *keys: str) -> Policy:
    """A policy from YAML, in which `keys` are defined by name."""
    head = (
        "version: 1\n"
        + ("keys:\n" if keys else "")
        + "".join(f"  {name}: |\n" + "".join(f"    {line}\n" for line in pem(name).splitlines()) for name in keys)
    )
    return parse_policy(head + text, "policy.yaml")


def trusting(*names: str, threshold: int = 1) -> Policy:
    """One scope for everything: so many signatures by these."""
    text = f"scopes:\n  default:\n    signed_by:\n      keys: [{', '.join(names)}]\n      threshold: {threshold}\n"
    return policy(text, *names)


class Cosign:
    """A case of the vectors that cosign made, as evidence."""

    def __init__(self, root: Path, case: dict[str, object]) -> None:
        self._blobs = root / "blobs"
        self._tags: dict[str, str] = case["tags"]  # type: ignore[assignment]
        self.name = "vectors"

    def blob(self, digest: str) -> bytes:
        return (self._blobs / digest.rpartition(":")[2]).read_bytes()

    def referrers(self, subject: Descriptor) -> ReferrerList:
        tag = f"sha256-{subject.digest.hex}"
        found: list[Descriptor] = []
        for name, digest in self._tags.items():
            if name == tag:
                document = parse_document(self.blob(digest), None, name)
                assert isinstance(document, Index)
                found += document.manifests
            elif name.startswith(f"{tag}."):
                found.append(Descriptor.of(self.blob(digest), MANIFEST))
        return ReferrerList(tuple(found))

    def read(self, descriptor: Descriptor, *, limit: int) -> bytes:
        return self.blob(str(descriptor.digest))
