"""Envelopes, statements, bundles and how they are attached."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from lading.store.errors import DocumentError, InputError
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import MANIFEST, parse_manifest
from lading.verify.documents import bundles, envelopes
from lading.verify.documents.attach import artifact
from lading.verify.documents.envelopes import Envelope
from lading.verify.documents.evidence_kinds import evidence_kind
from lading.verify.documents.media_types import BUNDLE, SIMPLE_SIGNING
from lading.verify.documents.statements import (
    PROVENANCE,
    SIGN,
    TYPE,
    ResourceDescriptor,
    Statement,
    Subject,
    predicate_type,
    short_type,
)
from lading.verify.evidence.legacy import SimpleSignature
from suites.machine import vectors
from suites.papers import CREATED, image, key

DIGEST = Digest.of(b"image")


def statement(**changes: Any) -> bytes:
    value = {
        "_type": TYPE,
        "subject": [{"digest": {"sha256": DIGEST.hex}}],
        "predicateType": SIGN,
        "predicate": {},
    }
    return json.dumps(value | changes).encode()


def envelope(**changes: Any) -> dict[str, Any]:
    return envelopes.sign(statement(), key("own")).json() | changes


def bundle(**changes: Any) -> bytes:
    value = {
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": key("own").public.hint}},
        "dsseEnvelope": envelope(),
    }
    return json.dumps({name: item for name, item in (value | changes).items() if item != "drop"}).encode()


def test_the_pre_authentication_encoding_is_the_specification_s() -> None:
    """protocol.md of DSSE, "Test vectors"."""
    encoded = envelopes.pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert envelopes.pre_authentication_encoding("é", b"") == "DSSEv1 2 é 0 ".encode()


def test_an_envelope_is_signed_without_a_key_id_and_round_trips() -> None:
    made = envelopes.sign(b"{}", key("own"))
    assert made.json()["signatures"] == [{"sig": base64.b64encode(made.signatures[0].sig).decode()}]
    read = Envelope.parse(made.raw())
    assert read == made
    assert read.signed_by(key("own").public)
    assert not read.signed_by(key("other").public)


def test_attack_12_another_payload_type_breaks_the_signature() -> None:
    made = envelopes.sign(b"{}", key("own"))
    assert not Envelope("application/json", made.payload, made.signatures).signed_by(key("own").public)
    assert not Envelope(made.payload_type, b"{ }", made.signatures).signed_by(key("own").public)


def test_attack_17_a_key_id_grants_nothing() -> None:
    forged = envelopes.sign(b"{}", key("mallory")).json()
    forged["signatures"][0]["keyid"] = key("own").public.hint  # type: ignore[index]
    read = Envelope.parse(json.dumps(forged).encode())
    assert not read.signed_by(key("own").public)


@pytest.mark.parametrize(
    "change",
    [
        {"signatures": []},
        {"signatures": None},
        {"signatures": [{"sig": ""}]},
        {"signatures": [{"keyid": "x"}]},
        {"signatures": [{"sig": "AA=="}] * 33},
        {"signatures": [{"sig": "AA==", "cert": "x"}]},
        {"signatures": {"sig": "AA=="}},
        {"payload": "e30"},
        {"payload": None},
        {"payloadType": None},
        {"payloadType": 1},
        {"extra": 1},
    ],
)
def test_attack_13_malformed_envelopes_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DocumentError):
        Envelope.parse(json.dumps(envelope(**change)).encode())


def test_statements_round_trip() -> None:
    made = Statement((Subject("app", {"sha256": DIGEST.hex}, annotations={"a": "b"}),), SIGN, {"x": [1]})
    read = Statement.parse(made.raw())
    assert read == made
    assert read.subjects[0].annotations == {"a": "b"}
    assert read.predicate == {"x": [1]}


def test_the_older_statement_type_is_read() -> None:
    read = Statement.parse(statement(_type="https://in-toto.io/Statement/v0.1", predicateType=PROVENANCE))
    assert read.about(DIGEST)


@pytest.mark.parametrize("digest", [{}, {"sha1": "aa"}, {"sha512": Digest.of(b"image", "sha512").hex}])
def test_attack_10_only_the_asked_digest_counts(digest: dict[str, str]) -> None:
    subject = {"name": str(DIGEST), "uri": str(DIGEST), "digest": digest}
    if not digest:
        with pytest.raises(DocumentError, match="no digest"):
            Statement.parse(statement(subject=[subject]))
    else:
        assert not Statement.parse(statement(subject=[subject])).about(DIGEST)


@pytest.mark.parametrize(
    "digits", [DIGEST.hex.upper(), DIGEST.hex[:-1], DIGEST.hex + "0", "", f"sha256:{DIGEST.hex}", 1]
)
def test_attack_10_malformed_digests_are_refused(digits: object) -> None:
    with pytest.raises(DocumentError):
        Statement.parse(statement(subject=[{"digest": {"sha256": digits}}]))


def test_no_subject_proves_nothing() -> None:
    assert not Statement.parse(statement(subject=[])).about(DIGEST)


@pytest.mark.parametrize(
    "change",
    [
        {"_type": "https://in-toto.io/Statement/v2"},
        {"_type": None},
        {"predicateType": None},
        {"predicate": []},
        {"subject": {}},
        {"subject": [{"digest": {"sha256": DIGEST.hex}}] * 5000},
    ],
)
def test_attack_23_malformed_statements_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DocumentError):
        Statement.parse(statement(**change))


@pytest.mark.parametrize(
    "raw",
    [
        b'{"_type":"a","_type":"b"}',
        b"\xef\xbb\xbf{}",
        b"{}x",
        b'{"a":NaN}',
        b"[" * 100,
        b'{"a":1e999}',
        b'"\xff"',
        b"",
    ],
)
def test_attacks_7_and_8_two_ways_to_read_are_refused(raw: bytes) -> None:
    for parse in (Statement.parse, Envelope.parse, bundles.parse):
        with pytest.raises(DocumentError):
            parse(raw)  # type: ignore[operator]


def test_bundles_round_trip() -> None:
    made = envelopes.sign(statement(), key("own"))
    read = bundles.parse(bundles.write(made, key("own").public))
    assert read.envelope == made
    assert read.hint == key("own").public.hint
    assert not read.keyless


def test_a_missing_member_of_a_bundle_is_its_default() -> None:
    assert bundles.parse(bundle(verificationMaterial={"publicKey": {}})).hint == ""
    parameter = "application/vnd.dev.sigstore.bundle+json;version=0.3"
    assert bundles.parse(bundle(mediaType=parameter, messageSignature=None)).hint


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"messageSignature": {"signature": "AA=="}}, "both"),
        ({"messageSignature": {"signature": "AA=="}, "dsseEnvelope": "drop"}, "bare bytes"),
        ({"dsseEnvelope": "drop"}, "dsseEnvelope: missing"),
        ({"mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.1"}, "only version 0.3"),
        ({"mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.2"}, "only version 0.3"),
        ({"mediaType": "application/vnd.dev.sigstore.bundle.v0.4+json"}, "only version 0.3"),
        ({"mediaType": "drop"}, "mediaType: missing"),
        ({"verificationMaterial": {}}, "either"),
        ({"verificationMaterial": {"publicKey": {}, "certificate": {"rawBytes": "AA=="}}}, "either"),
        ({"verificationMaterial": {"x509CertificateChain": {"certificates": []}}}, "certificate chain"),
        ({"verificationMaterial": {"publicKey": {}, "more": 1}}, "unknown member"),
        ({"verificationMaterial": {"publicKey": {"rawBytes": "AA=="}}}, "unknown member"),
        ({"verificationMaterial": "drop"}, "missing"),
        ({"more": 1}, "unknown member"),
    ],
)
def test_attacks_19_and_20_other_bundles_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(DocumentError, match=words):
        bundles.parse(bundle(**change))


def test_a_bundle_with_a_certificate_is_keyless() -> None:
    assert bundles.parse(bundle(verificationMaterial={"certificate": {"rawBytes": "AA=="}})).keyless


def test_an_attached_bundle_has_cosign_s_form() -> None:
    """The form of an artifact of cosign 3.1.2's, member for member."""
    subject = image().descriptor
    made = artifact(subject, bundle(), SIGN, CREATED)
    theirs = vectors() / "cosign/blobs/5432e219935025653c0d38a8dc346ccd391f580ec716aecbeade80984845731f"
    ours, wanted = json.loads(made.manifest), json.loads(theirs.read_bytes())
    wanted["subject"] = {"mediaType": MANIFEST, "digest": str(subject.digest), "size": subject.size}
    wanted["layers"][0].update({"size": len(bundle()), "digest": str(Digest.of(made.blobs[1]))})
    ours["layers"][0]["size"] = len(bundle())
    wanted["annotations"]["org.opencontainers.image.created"] = CREATED
    assert ours == wanted
    assert made.blobs[0] == b"{}"
    assert evidence_kind(parse_manifest(made.manifest, MANIFEST, "artifact")) == "bundle"
    assert made.descriptor == Descriptor(MANIFEST, Digest.of(made.manifest), len(made.manifest), artifact_type=BUNDLE)


def simple(**changes: Any) -> bytes:
    value: dict[str, Any] = {
        "critical": {
            "identity": {"docker-reference": "example.com/app"},
            "image": {"docker-manifest-digest": str(DIGEST)},
            "type": "cosign container image signature",
        },
        "optional": None,
    }
    value["critical"].update(changes)
    return json.dumps(value).encode()


def layer(payload: bytes, sig: str = "AA==") -> Descriptor:
    made = Descriptor.of(payload, SIMPLE_SIGNING)
    return Descriptor(made.media_type, made.digest, made.size, {"dev.cosignproject.cosign/signature": sig})


def test_the_older_signature_is_over_the_payload_s_bytes() -> None:
    sig = base64.b64encode(key("own").sign(simple())).decode()
    read = SimpleSignature.parse(simple(), layer(simple(), sig))
    assert (read.image, read.reference, read.keyless) == (DIGEST, "example.com/app", False)
    assert read.signed_by(key("own").public)
    assert not SimpleSignature.parse(simple() + b" ", layer(simple(), sig)).signed_by(key("own").public)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "atomic container signature"},
        {"image": {"docker-manifest-digest": "sha256:abc"}},
        {"image": {}},
        {"identity": None},
        {"more": {}},
    ],
)
def test_other_payloads_are_refused(change: dict[str, Any]) -> None:
    payload = simple(**change)
    with pytest.raises(DocumentError):
        SimpleSignature.parse(payload, layer(payload))


def test_words_for_predicate_types() -> None:
    assert predicate_type("slsaprovenance1") == PROVENANCE
    assert predicate_type("https://example.com/review") == "https://example.com/review"
    assert short_type(PROVENANCE) == "slsaprovenance1"
    assert short_type(SIGN) == "signature"
    for wrong in ("provenance", "", "a b:c"):
        with pytest.raises(InputError):
            predicate_type(wrong)


def test_resource_descriptors_round_trip() -> None:
    made = ResourceDescriptor(
        "x",
        {"sha256": DIGEST.hex, "gitCommit": "abc"},
        "git+https://example.com",
        "text/plain",
        "https://e",
        b"\0",
        {"n": 1},
    )
    assert ResourceDescriptor.parse(made.json(), "x") == made
    assert ResourceDescriptor.parse({}, "x").json() == {}
