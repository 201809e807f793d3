"""Whatever arrives, a parser gives a value or a `DocumentError`, the verifier a verdict or a refusal."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lading.store.errors import DocumentError
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import MANIFEST, parse_manifest
from lading.verify.documents import bundles, dag_artifact
from lading.verify.documents.bases import Base
from lading.verify.documents.dag import Dag, DagNode, Edge, LayerRef
from lading.verify.documents.envelopes import Envelope
from lading.verify.documents.links import Link
from lading.verify.documents.media_types import SIMPLE_SIGNING
from lading.verify.documents.provenance import LOCAL_BUILDER, Provenance, arguments, dag_byproduct
from lading.verify.documents.signing import sign_statement
from lading.verify.documents.statements import ResourceDescriptor, Statement, Subject
from lading.verify.evidence.legacy import SimpleSignature
from lading.verify.judgement.errors import GateError
from lading.verify.judgement.verifier import Verifier
from lading.verify.keys import keyfiles
from lading.verify.keys.encoding import write_pem
from lading.verify.keys.keys import PublicKey
from suites.papers import CREATED, Shelf, image, key, signature, target, trusting

TREE = Digest.of(b"tree")
LINK = Link("RUN", TREE, (ResourceDescriptor.of(TREE, "tree"),), ("x",), ("PATH",), {"network": "none"})
DAG = Dag(
    (DagNode("a", "linux/amd64"), DagNode("b", "linux/amd64", (), TREE, LayerRef(TREE, TREE), 0)), (Edge(0, 1, "tree"),)
)
BASE = Base("docker.io/library/debian:13", TREE, "verified", TREE, "linux/amd64", TREE, "x")
PROVENANCE = Provenance(
    "urn:lading:build:dockerfile:1",
    LOCAL_BUILDER,
    {"buildArgs": arguments({"A": "1", "B": None})},
    {"x": 1},
    (BASE.resource(),),
    {"lading": "1"},
    (),
    "i",
    CREATED,
    CREATED,
    (dag_byproduct(TREE),),
)
SUBJECT = Subject("x", {"sha256": TREE.hex}, annotations={"a": "b"})
SIGNED = sign_statement(LINK.statement(), key("own"))
SIMPLE = {
    "critical": {
        "identity": {"docker-reference": "x"},
        "image": {"docker-manifest-digest": str(TREE)},
        "type": "cosign container image signature",
    },
    "optional": {"a": "b"},
}


def read_link(raw: bytes) -> object:
    return Link.parse(Statement.parse(raw))


def read_provenance(raw: bytes) -> object:
    read = Provenance.parse(Statement.parse(raw))
    return read.arguments, read.bases, read.base_status, read.dag_artifact


def read_simple(raw: bytes) -> object:
    made = Descriptor.of(raw, SIMPLE_SIGNING)
    return SimpleSignature.parse(raw, Descriptor(made.media_type, made.digest, made.size, {"x": "y"}))


def read_key_file(raw: bytes) -> object:
    return keyfiles.decrypt(write_pem(keyfiles.LABELS[0], raw), b"")


PARSERS: list[tuple[Callable[[bytes], object], bytes]] = [
    (Envelope.parse, SIGNED.raw()),
    (Statement.parse, Statement((SUBJECT,), "https://example.com/x", {"a": [1]}).raw()),
    (bundles.parse, bundles.write(SIGNED, key("own").public)),
    (read_simple, json.dumps(SIMPLE).encode()),
    (read_link, LINK.statement().raw()),
    (Dag.parse, DAG.raw()),
    (read_provenance, PROVENANCE.statement((SUBJECT,)).raw()),
]
NAMES = ["envelope", "statement", "bundle", "simple", "link", "dag", "provenance"]

odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=6),
    st.sampled_from(["", "sha256:", str(TREE), TREE.hex.upper(), "AA==", "A", "unverified", "../x", "\x00"]),
    st.just([]),
    st.just({}),
    st.just([{}]),
    st.just({"sha256": TREE.hex}),
    st.just({"sha256": {}}),
    st.lists(st.integers(), max_size=2),
)


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The way to every value inside."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for name, item in items for place in places(item, (*path, name)))]


@st.composite
def mutated(draw: st.DrawFn, raw: bytes) -> bytes:
    """A valid document with up to three values replaced, removed or added."""
    value = json.loads(raw)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(value)))
        if not path:
            continue
        holder = value
        for step in path[:-1]:
            holder = holder[step]
        if draw(st.booleans()):
            holder[path[-1]] = copy.deepcopy(draw(odd))
        elif isinstance(holder, dict):
            del holder[path[-1]]
            holder[draw(st.text(max_size=4))] = copy.deepcopy(draw(odd))
    return json.dumps(value).encode()


@pytest.mark.parametrize(("parse", "raw"), PARSERS, ids=NAMES)
def test_the_unchanged_document_is_read(parse: Callable[[bytes], object], raw: bytes) -> None:
    parse(raw)


@pytest.mark.parametrize(("parse", "raw"), PARSERS, ids=NAMES)
@given(data=st.data())
@settings(max_examples=80)
def test_changed_documents(parse: Callable[[bytes], object], raw: bytes, data: st.DataObject) -> None:
    with contextlib.suppress(DocumentError):
        parse(data.draw(mutated(raw)))


@pytest.mark.parametrize("parse", [parse for parse, _ in PARSERS], ids=NAMES)
@given(raw=st.binary(max_size=60))
@settings(max_examples=40)
def test_any_bytes(parse: Callable[[bytes], object], raw: bytes) -> None:
    with pytest.raises(DocumentError):
        parse(raw)


@given(st.binary(max_size=120), st.integers(0, 90), st.integers(0, 255))
@settings(max_examples=100)
def test_any_key(raw: bytes, at: int, byte: int) -> None:
    der = bytearray(key("own").public.der)
    der[at] = byte
    for attempt in (raw, bytes(der), bytes(der[:at])):
        with contextlib.suppress(DocumentError):
            assert PublicKey.from_der(attempt).der == attempt
    with pytest.raises(DocumentError):
        PublicKey.from_pem(raw)


@given(st.binary(max_size=80), st.binary(max_size=80))
@settings(max_examples=60)
def test_any_signature_is_only_wrong(sig: bytes, message: bytes) -> None:
    assert not key("own").public.verify(sig, message)


HELD = {
    "kdf": {"name": "scrypt", "params": {"N": 2, "r": 1, "p": 1}, "salt": ""},
    "cipher": {"name": "nacl/secretbox", "nonce": "A" * 32},
    "ciphertext": "A" * 40,
}


@given(st.data())
@settings(max_examples=80)
def test_any_key_file(data: st.DataObject) -> None:
    with pytest.raises((DocumentError, keyfiles.PasswordError)):
        read_key_file(data.draw(mutated(json.dumps(HELD).encode())))


@given(st.data())
@settings(max_examples=80)
def test_any_evidence_ends_in_a_verdict_or_a_refusal(data: st.DataObject) -> None:
    app = image()
    made = signature(app.descriptor)
    manifest = data.draw(mutated(made.manifest))
    layers = [data.draw(st.sampled_from([made.blobs[1], data.draw(mutated(made.blobs[1]))]))]
    shelf = Shelf().list(app.descriptor.digest, Descriptor.of(manifest, MANIFEST), manifest, *made.blobs, *layers)
    try:
        verdict = Verifier(trusting("own")).verify(target(app), [shelf.evidence])
    except GateError as error:
        assert error.exit_code in (3, 4, 5)
    else:
        assert verdict.manifest == app.descriptor.digest


@given(st.data())
@settings(max_examples=60)
def test_any_dag_artifact(data: st.DataObject) -> None:
    made = dag_artifact.artifact(image().descriptor, DAG, [SIGNED])
    blobs = {Digest.of(raw): raw for raw in made.blobs}
    changed = data.draw(mutated(DAG.raw()))
    with contextlib.suppress(DocumentError):
        manifest = parse_manifest(data.draw(mutated(made.manifest)), MANIFEST, "artifact")
        dag_artifact.read_artifact(manifest, lambda item, _: blobs.get(item.digest, changed))
