from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import CONFIG, MANIFEST
from lading.verify.documents import attach, bundles, dag_artifact, envelopes
from lading.verify.documents.bases import Base
from lading.verify.documents.dag import Dag, DagNode
from lading.verify.documents.media_types import BUNDLE, DSSE, SIMPLE_SIGNING
from lading.verify.documents.signing import sign, sign_statement, subject_of
from lading.verify.documents.statements import SIGN, Statement, Subject
from lading.verify.evidence import collector
from lading.verify.evidence.evidence import ReferrerList
from lading.verify.judgement.decision import Decision
from lading.verify.judgement.errors import GateError, NoAttestationError, RefusedError, UncheckableError
from lading.verify.judgement.verdict import Verdict
from lading.verify.judgement.verifier import Target, Verifier
from lading.verify.policy.canonical import policy_digest
from lading.verify.policy.policy import Policy
from suites.papers import (
    CREATED,
    NAME,
    Broken,
    Shelf,
    attestation,
    image,
    index,
    key,
    named,
    policy,
    provenance,
    rehang,
    signature,
    target,
    trusting,
)
from suites.policy import GateContract, Judge

APP, OTHER = image("app"), image("other")
SUBJECT = APP.descriptor


def judge(asked: Policy, aim: Target, *evidence: Any, floor: Policy | None = None) -> Verdict:
    return Verifier(asked, floor, lambda: 1000.0).verify(aim, evidence)


def refusal(
    kind: type[GateError], asked: Policy, aim: Target, *evidence: Any, floor: Policy | None = None
) -> GateError:
    with pytest.raises(GateError) as caught:
        judge(asked, aim, *evidence, floor=floor)
    assert type(caught.value) is kind, caught.value.message
    assert not caught.value.decision.accepted
    record = json.loads(json.dumps(caught.value.decision.json()))
    assert (record["outcome"], record["exit_code"]) == (kind.outcome, kind.exit_code)
    return caught.value


class TestVerifier(GateContract):
    @pytest.fixture
    def judge(self) -> Judge:
        return judge


def test_a_verdict_says_what_was_judged_and_why() -> None:
    asked = trusting("own")
    shelf = Shelf(signature(SUBJECT), provenance(SUBJECT))
    verdict = judge(asked, target(APP, origins=("localhost:5000/app:latest",)), shelf.evidence)
    assert verdict.manifest == SUBJECT.digest
    assert verdict.index is None
    assert verdict.platform == "linux/amd64"
    assert verdict.names == (NAME,)
    assert verdict.origins == ("localhost:5000/app:latest",)
    assert verdict.policy == policy_digest(asked)
    assert verdict.basis == "policy"
    assert verdict.evidence == (signature(SUBJECT).descriptor.digest,) or len(verdict.evidence) == 1
    assert verdict.base_status == "none"
    first, second, third = verdict.explain()
    assert first == f"{NAME}: the manifest {SUBJECT.digest}, for linux/amd64"
    assert second == (
        f"signed by 'own' (key {key('own').public.fingerprint[:16]}), as scope 'default' of policy.yaml asks"
    )
    assert third == "stands on no base image: every layer was made by this build"
    record = verdict.decision.json()
    assert record["accepted"] is True
    assert (record["outcome"], record["exit_code"]) == ("accepted", 0)
    assert record["time"] == "1970-01-01T00:16:40Z"
    assert len(record["candidates"]) == 2  # type: ignore[arg-type]
    json.dumps(record)


# thresholds


def test_two_of_three() -> None:
    asked = trusting("alice", "bob", "carol", threshold=2)
    shelf = Shelf(signature(SUBJECT, "alice"), signature(SUBJECT, "carol"))
    lines = list(judge(asked, target(APP), shelf.evidence).explain())
    assert "signed by 'alice'" in lines[1] and "and 'carol'" in lines[1]
    error = refusal(RefusedError, asked, target(APP), Shelf(signature(SUBJECT, "bob")).evidence)
    assert "signatures of 2 keys by 'alice' or 'bob' or 'carol'" in error.message
    assert str(error.decision.findings[0]).endswith(f"asks for; found only {named('bob')}")


def test_attack_14_one_key_twice_counts_once() -> None:
    shelf = Shelf(signature(SUBJECT, "alice"), signature(SUBJECT, "alice"))
    error = refusal(RefusedError, trusting("alice", "bob", threshold=2), target(APP), shelf.evidence)
    reasons = sorted(reason for item in error.candidates for reason in item.reasons)
    assert reasons[0].endswith("counted already") or reasons[1].endswith("counted already")
    assert error.decision.findings[0].signers == (named("alice"),)


def test_attack_14_one_signature_twice_in_an_envelope_counts_once() -> None:
    made = sign_statement(Statement((subject_of(SUBJECT),), SIGN), key("alice"))
    twice = replace(made, signatures=made.signatures * 2)
    shelf = Shelf(attach.artifact(SUBJECT, bundles.write(twice, key("alice").public), SIGN, CREATED))
    refusal(RefusedError, trusting("alice", "bob", threshold=2), target(APP), shelf.evidence)


def test_two_keys_on_one_envelope_count_as_two() -> None:
    statement = Statement((subject_of(SUBJECT),), SIGN)
    alice, bob = sign_statement(statement, key("alice")), sign_statement(statement, key("bob"))
    both = replace(alice, signatures=alice.signatures + bob.signatures)
    shelf = Shelf(attach.artifact(SUBJECT, bundles.write(both, key("bob").public), SIGN, CREATED))
    assert judge(trusting("alice", "bob", threshold=2), target(APP), shelf.evidence)


def test_signatures_in_two_places_add_up() -> None:
    one, two = Shelf(signature(SUBJECT, "alice")), Shelf(signature(SUBJECT, "bob"))
    assert judge(trusting("alice", "bob", threshold=2), target(APP), one.evidence, two.evidence)


def test_the_same_evidence_in_two_places_counts_once() -> None:
    one = signature(SUBJECT, "alice")
    error = refusal(
        RefusedError, trusting("alice", "bob", threshold=2), target(APP), Shelf(one).evidence, Shelf(one).evidence
    )
    assert len(error.candidates) == 1


def test_a_place_is_not_asked_when_the_first_suffices() -> None:
    assert judge(trusting("own"), target(APP), Shelf(signature(SUBJECT)).evidence, Broken())


# what a signature is


def test_an_attestation_is_no_signature() -> None:
    error = refusal(RefusedError, trusting("own"), target(APP), Shelf(provenance(SUBJECT)).evidence)
    assert error.candidates[0].reasons == ("is an attestation (slsaprovenance1); signed_by counts only signatures",)
    assert error.candidates[0].trusted_by == (named("own"),)


def test_many_of_one_kind_hide_no_other_reason() -> None:
    other = rehang(signature(OTHER.descriptor), SUBJECT)
    attested = [attestation(SUBJECT, "https://example.com/x", {"number": number}) for number in range(4)]
    foreign = [signature(SUBJECT, name) for name in ("alice", "bob", "carol")]
    for papers in ([other, *attested, *foreign], [*attested, *foreign, other], [*foreign, other, *attested]):
        error = refusal(RefusedError, trusting("own"), target(APP), Shelf(*papers).evidence)
        for reason in ("is about another digest", "is not signed by 'own'", "signed_by counts only signatures"):
            assert reason in error.message


def test_attack_3_a_signature_of_another_image() -> None:
    shelf = Shelf().attach(rehang(signature(OTHER.descriptor), SUBJECT))
    error = refusal(RefusedError, trusting("own"), target(APP), shelf.evidence)
    assert error.candidates[0].reasons == (f"is about another digest, {OTHER.descriptor.digest}",)


def test_attack_49_a_manifest_that_refers_to_another_image() -> None:
    shelf = Shelf().attach(signature(OTHER.descriptor), SUBJECT.digest)
    error = refusal(RefusedError, trusting("own"), target(APP), shelf.evidence)
    assert error.candidates[0].reasons == (f"is attached to another image, {OTHER.descriptor.digest}",)


def test_a_bundle_that_refers_to_nothing() -> None:
    made = rehang(signature(SUBJECT), SUBJECT, subject=None)
    error = refusal(RefusedError, trusting("own"), target(APP), Shelf().attach(made, SUBJECT.digest).evidence)
    assert "refers to no image" in error.message


def test_attack_12_a_foreign_payload_type() -> None:
    payload = Statement((subject_of(SUBJECT),), SIGN).raw()
    made = envelopes.sign(payload, key("own"), "application/json")
    shelf = Shelf(attach.artifact(SUBJECT, bundles.write(made, key("own").public), SIGN, CREATED))
    error = refusal(RefusedError, trusting("own"), target(APP), shelf.evidence)
    assert error.candidates[0].reasons == ("holds 'application/json', not an in-toto statement",)


def test_attack_10_a_decoy_subject_by_name() -> None:
    statement = Statement((Subject(str(SUBJECT.digest), {"sha256": OTHER.descriptor.digest.hex}),), SIGN)
    shelf = Shelf(
        attach.artifact(SUBJECT, bundles.write(sign_statement(statement, key("own")), key("own").public), SIGN, CREATED)
    )
    refusal(RefusedError, trusting("own"), target(APP), shelf.evidence)


def test_attack_21_the_annotation_about_the_predicate_is_not_believed() -> None:
    lying = json.loads(provenance(SUBJECT).manifest)["annotations"] | {attach.PREDICATE_TYPE: SIGN}
    shelf = Shelf(rehang(provenance(SUBJECT), SUBJECT, annotations=lying))
    refusal(RefusedError, trusting("own"), target(APP), shelf.evidence)
    missing = Shelf(rehang(signature(SUBJECT), SUBJECT, annotations=None, artifactType=None))
    assert judge(trusting("own"), target(APP), missing.evidence)


def test_annotations_are_asked_for() -> None:
    asked = policy("scopes: {default: {signed_by: {keys: [own], annotations: {env: prod}}}}\n", "own")
    assert judge(asked, target(APP), Shelf(signature(SUBJECT, annotations={"env": "prod", "x": "y"})).evidence)
    for notes in ({}, {"env": "test"}, {"env ": "prod"}):
        error = refusal(RefusedError, asked, target(APP), Shelf(signature(SUBJECT, annotations=notes)).evidence)
        assert "lacks the annotation env=prod" in error.message


# cosign's older form


def older(subject: Digest, signer: str = "own", *, name: str = "example.com/app", sig: bytes | None = None) -> Shelf:
    payload = json.dumps(
        {
            "critical": {
                "identity": {"docker-reference": name},
                "image": {"docker-manifest-digest": str(subject)},
                "type": "cosign container image signature",
            },
            "optional": {"env": "prod"},
        }
    ).encode()
    made = base64.b64encode(sig or key(signer).sign(payload)).decode()
    layer = Descriptor.of(payload, SIMPLE_SIGNING).json()
    layer["annotations"] = {"dev.cosignproject.cosign/signature": made}
    return older_manifest(layer, payload)


def older_manifest(layer: dict[str, object], payload: bytes, count: int = 1) -> Shelf:
    raw = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": Descriptor.of(b"{}", CONFIG).json(),
            "layers": [layer] * count,
        }
    ).encode()
    return Shelf().list(SUBJECT.digest, Descriptor.of(raw, MANIFEST), raw, payload)


def test_the_older_signature_counts() -> None:
    assert judge(trusting("own"), target(APP), older(SUBJECT.digest).evidence)
    asked = policy("scopes: {default: {signed_by: {keys: [own], annotations: {env: prod}}}}\n", "own")
    assert judge(asked, target(APP), older(SUBJECT.digest).evidence)
    refusal(RefusedError, trusting("own"), target(APP), older(SUBJECT.digest, "mallory").evidence)
    refusal(RefusedError, trusting("own"), target(APP), older(OTHER.descriptor.digest).evidence)
    refusal(RefusedError, trusting("own"), target(APP), older(SUBJECT.digest, sig=b"x").evidence)


def test_the_older_attestation_counts() -> None:
    raw = sign_statement(Statement((subject_of(SUBJECT),), "https://example.com/review"), key("own")).raw()
    shelf = older_manifest(Descriptor.of(raw, DSSE).json(), raw)
    asked = policy("scopes: {default: {require: [{type: 'https://example.com/review', by: [own]}]}}\n", "own")
    assert judge(asked, target(APP), shelf.evidence)
    refusal(RefusedError, trusting("own"), target(APP), shelf.evidence)


def test_keyless_signatures_are_named_as_such() -> None:
    layer = Descriptor.of(b"x", SIMPLE_SIGNING)
    made = bundles.write(sign_statement(Statement((subject_of(SUBJECT),), SIGN), key("own")), key("own").public)
    value = json.loads(made) | {"verificationMaterial": {"certificate": {"rawBytes": "AA=="}}}
    shelf = Shelf(attach.artifact(SUBJECT, json.dumps(value).encode(), SIGN, CREATED))
    error = refusal(RefusedError, trusting("own"), target(APP), shelf.evidence)
    assert "keyless): not built yet" in error.message
    assert layer.media_type == SIMPLE_SIGNING


def test_attack_48_too_many_signatures_in_one_manifest() -> None:
    raw = sign_statement(Statement((subject_of(SUBJECT),), SIGN), key("own")).raw()
    shelf = older_manifest(Descriptor.of(raw, DSSE).json(), raw, collector.MAX_LAYERS + 1)
    error = refusal(RefusedError, trusting("own"), target(APP), shelf.evidence)
    assert "more than 128 signatures" in error.message


# requirements

PROVEN = "scopes: {default: {require: [{type: slsaprovenance1, by: [ci], builder: 'urn:lading:builder:local'}]}}\n"


def test_a_required_attestation_by_the_right_key_and_builder() -> None:
    asked = policy(PROVEN, "ci")
    verdict = judge(asked, target(APP), Shelf(provenance(SUBJECT, "ci")).evidence)
    line = list(verdict.explain())[1]
    assert line.startswith("slsaprovenance1 attested by 'ci'") and "built by 'urn:lading:builder:local'" in line


def test_attack_26_somebody_else_s_builder() -> None:
    asked = policy(PROVEN, "ci")
    error = refusal(RefusedError, asked, target(APP), Shelf(provenance(SUBJECT, "ci", builder="urn:evil")).evidence)
    assert "names the builder 'urn:evil'" in error.message
    error = refusal(RefusedError, asked, target(APP), Shelf(provenance(SUBJECT, "mallory")).evidence)
    assert "is not signed by 'ci'" in error.message


def test_a_provenance_without_a_builder_does_not_count_where_one_is_asked_for() -> None:
    broken = attestation(SUBJECT, "https://slsa.dev/provenance/v1", {}, "ci")
    error = refusal(RefusedError, policy(PROVEN, "ci"), target(APP), Shelf(broken).evidence)
    assert "names the builder None" in error.message


def test_the_builder_of_older_provenance_is_read() -> None:
    asked = policy(PROVEN.replace("slsaprovenance1", "slsaprovenance"), "ci")
    predicate = {"builder": {"id": "urn:lading:builder:local"}, "buildType": "x"}
    made = attestation(SUBJECT, "https://slsa.dev/provenance/v0.2", predicate, "ci")
    assert judge(asked, target(APP), Shelf(made).evidence)


def test_attack_22_every_requirement_must_be_met() -> None:
    text = "scopes: {default: {signed_by: {keys: [own]}, require: [{type: slsaprovenance1}, {type: vuln}]}}\n"
    asked = policy(text, "own")
    some = [signature(SUBJECT), provenance(SUBJECT)]
    error = refusal(RefusedError, asked, target(APP), Shelf(*some).evidence)
    assert "asks for vuln by 'own'" in error.message
    assert [finding.met for finding in error.decision.findings] == [True, True, False]
    vuln = attestation(SUBJECT, "https://cosign.sigstore.dev/attestation/vuln/v1", {"x": 1})
    assert judge(asked, target(APP), Shelf(*some, vuln).evidence)


def test_attack_4_the_repository_it_was_signed_for() -> None:
    asked = policy("scopes: {default: {signed_by: {keys: [own]}, signed_for: itself}}\n", "own")
    assert judge(asked, target(APP), Shelf(signature(SUBJECT, name="docker.io/library/app")).evidence)
    error = refusal(RefusedError, asked, target(APP), Shelf(signature(SUBJECT, name="docker.io/evil/app")).evidence)
    assert "was signed for docker.io/evil/app, asked for is docker.io/library/app:latest" in error.message
    error = refusal(RefusedError, asked, target(APP), Shelf(signature(SUBJECT)).evidence)
    assert "was signed for no repository" in error.message
    refusal(RefusedError, asked, Target(APP), Shelf(signature(SUBJECT, name="docker.io/library/app")).evidence)
    refusal(RefusedError, asked, target(APP), Shelf(signature(SUBJECT, name="a//:@")).evidence)
    listed = policy("scopes: {default: {signed_by: {keys: [own]}, signed_for: [example.com/app]}}\n", "own")
    assert judge(listed, target(APP), older(SUBJECT.digest).evidence)
    refusal(RefusedError, listed, target(APP), older(SUBJECT.digest, name="example.com/app2").evidence)


# names, origins, scopes

SCOPED = """scopes:
  example.com/good: {signed_by: {keys: [good]}}
  example.com/evil: {signed_by: {keys: [evil]}}
  example.com/gone: {reject: true}
  localhost: {signed_by: {keys: [good]}}
"""


def test_every_name_and_origin_must_accept() -> None:
    asked = policy(SCOPED, "good", "evil")
    good = Shelf(signature(SUBJECT, "good")).evidence
    both = Shelf(signature(SUBJECT, "good"), signature(SUBJECT, "evil")).evidence
    assert judge(asked, target(APP, "localhost/x:1"), good)
    retagged = target(APP, "localhost/x:1", origins=("example.com/evil:1",))
    error = refusal(RefusedError, asked, retagged, good)
    assert "scope 'example.com/evil'" in error.message
    assert len(judge(asked, retagged, both).decision.findings) == 2
    refusal(RefusedError, asked, target(APP, "localhost/x:1", "example.com/evil:1"), good)
    error = refusal(RefusedError, asked, target(APP, "localhost/x:1", origins=("example.org/x:1",)), Broken())
    assert "no scope of policy.yaml covers example.org/x:1" in error.message
    error = refusal(RefusedError, asked, target(APP, "localhost/x:1", origins=("example.com/gone:1",)), Broken())
    assert "rejects example.com/gone:1" in error.message


@pytest.mark.parametrize("name", ["app", "library/app:latest", "", "built"])
def test_a_name_that_is_not_full_could_slip_past_its_scope(name: str) -> None:
    shelf = Shelf(signature(SUBJECT))
    error = refusal(RefusedError, trusting("own"), target(APP, name), shelf.evidence)
    assert "not a full reference" in error.message
    refusal(RefusedError, trusting("own"), target(APP, origins=(name,)), shelf.evidence)


def test_without_a_name_the_default_scope_decides() -> None:
    shelf = Shelf(signature(SUBJECT))
    assert judge(trusting("own"), Target(APP), shelf.evidence)
    error = refusal(RefusedError, policy(SCOPED, "good", "evil"), Target(APP), shelf.evidence)
    assert "covers an image without a name" in error.message


def test_attack_46_a_policy_without_scopes_accepts_nothing() -> None:
    refusal(RefusedError, policy("unsafe_unverified: forbid\n", "own"), target(APP), Shelf(signature(SUBJECT)).evidence)


# index and child


def test_attack_5_index_and_child() -> None:
    asked, whole = trusting("own"), index(APP, OTHER)
    on_index = Shelf(signature(whole.descriptor)).evidence
    on_child = Shelf(signature(SUBJECT)).evidence
    through = target(APP, through=whole)
    verdict = judge(asked, through, on_index)
    assert (verdict.index, verdict.manifest) == (whole.descriptor.digest, SUBJECT.digest)
    assert judge(asked, target(OTHER, through=whole), on_index)
    assert judge(asked, through, on_child)
    refusal(NoAttestationError, asked, target(APP), on_index)
    refusal(NoAttestationError, asked, target(OTHER, through=whole), on_child)
    swapped = index(image("evil"), OTHER)
    refusal(NoAttestationError, asked, target(image("evil"), through=swapped), on_index)
    refusal(RefusedError, asked, target(image("evil"), through=whole), on_index)


def test_a_child_is_its_index_s_by_type_and_size_too() -> None:
    whole = index(APP)
    for change in ({"size": 1}, {"media_type": "application/vnd.docker.distribution.manifest.v2+json"}):
        listed = tuple(replace(item, **change) for item in whole.manifests)  # type: ignore[arg-type]
        refusal(RefusedError, trusting("own"), target(APP, through=replace(whole, manifests=listed)), Broken())


# three failures


def test_only_what_is_no_evidence_is_nothing_found() -> None:
    dag = dag_artifact.artifact(SUBJECT, Dag((DagNode("FROM scratch", "linux/amd64"),)), [])
    sbom = attach.compose(SUBJECT, "application/spdx+json", [("application/spdx+json", b"{}")], {})
    error = refusal(NoAttestationError, trusting("own"), target(APP), Shelf(dag, sbom).evidence)
    assert {item.kind for item in error.candidates} == {"dag", "other"}
    hidden = replace(dag.descriptor, artifact_type=None)
    shelf = Shelf().list(SUBJECT.digest, hidden, dag.manifest, *dag.blobs)
    assert refusal(NoAttestationError, trusting("own"), target(APP), shelf.evidence).candidates[0].kind == "dag"


def test_what_is_broken_was_found_and_does_not_match() -> None:
    broken = attach.artifact(SUBJECT, b'{"mediaType":1}', SIGN, CREATED)
    error = refusal(RefusedError, trusting("own"), target(APP), Shelf(broken).evidence)
    assert error.candidates[0].kind == "malformed"
    assert "bundle: mediaType: expected a string" in error.message
    assert judge(trusting("own"), target(APP), Shelf(broken, signature(SUBJECT)).evidence)
    double = attach.compose(SUBJECT, BUNDLE, [(BUNDLE, b"{}"), (BUNDLE, b"{}")], {})
    assert "stands alone" in refusal(RefusedError, trusting("own"), target(APP), Shelf(double).evidence).message


def test_attack_45_a_blob_that_is_missing_leaves_the_question_open() -> None:
    made = signature(SUBJECT)
    shelf = Shelf(made)
    shelf.blobs.delete(Digest.of(made.blobs[1]))
    error = refusal(UncheckableError, trusting("own"), target(APP), shelf.evidence)
    assert "could not be read" in error.message
    shelf.attach(signature(SUBJECT))
    assert judge(trusting("own"), target(APP), shelf.evidence)


def test_what_one_place_lacks_another_may_have() -> None:
    made = signature(SUBJECT, "mallory")
    broken, whole = Shelf(made), Shelf(made)
    broken.blobs.delete(Digest.of(made.blobs[1]))
    error = refusal(RefusedError, trusting("own"), target(APP), broken.evidence, whole.evidence)
    assert len(error.candidates) == 1


def test_one_broken_signature_among_several_spoils_only_itself() -> None:
    raw = sign_statement(Statement((subject_of(SUBJECT),), SIGN), key("own")).raw()
    layers = [Descriptor.of(data, DSSE).json() for data in (b"{}", raw)]
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": MANIFEST, "config": Descriptor.of(b"{}", CONFIG).json(), "layers": layers}
    ).encode()
    shelf = Shelf().list(SUBJECT.digest, Descriptor.of(manifest, MANIFEST), manifest, b"{}", raw)
    verdict = judge(trusting("own"), target(APP), shelf.evidence)
    assert {item.kind for item in verdict.decision.candidates} == {"signature", "malformed"}


class Incomplete:
    name = "half a registry"

    def __init__(self, shelf: Shelf) -> None:
        self._inner = shelf.evidence

    def referrers(self, subject: Descriptor) -> ReferrerList:
        found = self._inner.referrers(subject)
        return ReferrerList(found.descriptors, complete=False, reason="page 2 answered 503")

    def read(self, descriptor: Descriptor, *, limit: int) -> bytes:
        return self._inner.read(descriptor, limit=limit)


def test_attack_45_an_incomplete_list_is_never_none_found() -> None:
    error = refusal(UncheckableError, trusting("own"), target(APP), Incomplete(Shelf()))
    assert "page 2 answered 503" in error.message
    refusal(UncheckableError, trusting("own"), target(APP), Incomplete(Shelf(signature(SUBJECT, "mallory"))))
    assert judge(trusting("own"), target(APP), Incomplete(Shelf(signature(SUBJECT))))


class Lying(Incomplete):
    """Gives other bytes than the digest's: a registry whose second answer differs."""

    def referrers(self, subject: Descriptor) -> ReferrerList:
        return self._inner.referrers(subject)

    def read(self, descriptor: Descriptor, *, limit: int) -> bytes:
        return self._inner.read(descriptor, limit=limit).replace(b"own", b"0wn") + b" "


def test_attack_2_other_bytes_under_the_same_digest() -> None:
    error = refusal(UncheckableError, trusting("own"), target(APP), Lying(Shelf(signature(SUBJECT))))
    assert "not what its digest says" in error.message


def test_attack_48_endless_referrers() -> None:
    shelf = Shelf()
    noise = attach.compose(SUBJECT, "application/x", [("application/x", b"x")], {})
    shelf.attach(noise)
    shelf.listed[SUBJECT.digest] *= collector.MAX_REFERRERS + 1
    error = refusal(UncheckableError, trusting("own"), target(APP), shelf.evidence)
    assert f"more than {collector.MAX_REFERRERS} documents" in error.message
    shelf.attach(signature(SUBJECT))
    assert judge(trusting("own"), target(APP), shelf.evidence), "bundles are looked at first"


def test_attack_48_huge_evidence() -> None:
    huge = replace(signature(SUBJECT).descriptor, size=1 << 40)
    shelf = Shelf().list(SUBJECT.digest, huge)
    error = refusal(UncheckableError, trusting("own"), target(APP), shelf.evidence)
    assert "more than are read here" in error.message


def test_attack_45_any_fault_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Absurd:
        name = "absurd"

        def referrers(self, subject: Descriptor) -> Any:
            return None

        def read(self, descriptor: Descriptor, *, limit: int) -> bytes:
            raise MemoryError

    error = refusal(UncheckableError, trusting("own"), target(APP), Absurd())
    assert "could not be checked" in error.message

    def explode(*_: object) -> bool:
        raise RuntimeError("boom")

    monkeypatch.setattr("lading.verify.evidence.claims.Claim.about", explode)
    error = refusal(UncheckableError, trusting("own"), target(APP), Shelf(signature(SUBJECT)).evidence)
    assert error.message.endswith("could not be checked: RuntimeError: boom")


def test_no_place_at_all_finds_nothing() -> None:
    refusal(NoAttestationError, trusting("own"), target(APP))


# the floor


def floored(text: str) -> Policy:
    return replace(policy(text, "company"), source="/etc/lading/policy.yaml")


COMPANY = "scopes: {default: {signed_by: {keys: [company]}}}\n"


def test_policy_and_floor_must_both_accept() -> None:
    own, company = signature(SUBJECT), signature(SUBJECT, "company")
    floor = floored(COMPANY)
    for some in ([own], [company]):
        refusal(RefusedError, trusting("own"), target(APP), Shelf(*some).evidence, floor=floor)
    verdict = judge(trusting("own"), target(APP), Shelf(own, company).evidence, floor=floor)
    assert verdict.decision.floor == policy_digest(floor)
    assert {finding.policy for finding in verdict.decision.findings} == {"policy.yaml", "/etc/lading/policy.yaml"}


def test_a_floor_under_the_policy_s_own_name_is_still_asked() -> None:
    floor = replace(floored(COMPANY), source="policy.yaml")
    refusal(RefusedError, trusting("own"), target(APP), Shelf(signature(SUBJECT)).evidence, floor=floor)


def test_a_floor_without_scopes_has_no_opinion_on_images() -> None:
    floor = floored("unsafe_unverified: forbid\n")
    assert judge(trusting("own"), target(APP), Shelf(signature(SUBJECT)).evidence, floor=floor)


# override


def test_an_override_is_on_record() -> None:
    verdict = Verifier(trusting("own")).override(target(APP), "--unsafe-unverified")
    assert (verdict.basis, verdict.manifest, verdict.base_status) == ("override", SUBJECT.digest, "unknown")
    assert verdict.evidence == ()
    assert "NOT VERIFIED" in list(verdict.explain())[1]


def test_a_policy_or_a_floor_may_forbid_it() -> None:
    forbidding = policy("unsafe_unverified: forbid\n" + COMPANY, "company")
    for verifier in (Verifier(forbidding), Verifier(trusting("own"), forbidding)):
        with pytest.raises(RefusedError, match="forbids to run what is not verified"):
            verifier.override(target(APP), "x")


def test_a_rejecting_floor_stands_against_an_override() -> None:
    floor = floored("scopes: {docker.io/library/app: {reject: true}, default: {signed_by: {keys: [company]}}}\n")
    with pytest.raises(RefusedError, match=r"rejects docker\.io/library/app:latest"):
        Verifier(trusting("own"), floor).override(target(APP), "x")
    assert Verifier(trusting("own"), floor).override(target(APP, "example.com/x:1"), "x")
    rejecting = policy("scopes: {default: {reject: true}}\n", "own")
    assert Verifier(rejecting).override(target(APP), "x")


def test_an_override_does_not_mix_indexes() -> None:
    with pytest.raises(RefusedError, match="not among"):
        Verifier(trusting("own")).override(target(APP, through=index(OTHER)), "x")


# bases

DEBIAN = image("debian")
FROM = """from:
  example.com/strict: {signed_by: {keys: [own]}}
  example.com/lax: {signed_by: {keys: [own]}, allow_unverified: true}
  example.com/any: {allow_unverified: true}
  example.com/no: {reject: true}
"""


def base(name: str, *evidence: Any, text: str = FROM, floor: Policy | None = None) -> Base:
    aim = target(DEBIAN, f"example.com/{name}:1")
    return Verifier(policy(text, "own"), floor).base(aim, evidence)


def test_bases_by_scope() -> None:
    own = Shelf(signature(DEBIAN.descriptor)).evidence
    assert base("strict", own).status == "verified"
    assert base("lax", own).status == "verified"
    unsigned = base("lax", Shelf().evidence)
    assert (unsigned.status, unsigned.manifest) == ("unverified", DEBIAN.descriptor.digest)
    assert unsigned.reason == "no signature by 'own': none is attached"
    assert base("lax", Broken()).status == "unverified"
    assert base("any", Broken()).status == "unverified"
    for name, evidence, kind in [
        ("strict", Shelf().evidence, NoAttestationError),
        ("strict", Broken(), UncheckableError),
        ("strict", Shelf(signature(DEBIAN.descriptor, "mallory")).evidence, RefusedError),
        ("no", own, RefusedError),
        ("other", own, RefusedError),
    ]:
        with pytest.raises(kind):
            base(name, evidence)


def test_without_a_from_section_a_base_is_let_in_unverified() -> None:
    assert base("x", Broken(), text="scopes: {default: {reject: true}}\n").status == "unverified"


def test_a_floor_governs_bases_too() -> None:
    own = Shelf(signature(DEBIAN.descriptor)).evidence
    both = Shelf(signature(DEBIAN.descriptor), signature(DEBIAN.descriptor, "company")).evidence
    floor = floored("from: {default: {signed_by: {keys: [company]}}}\n")
    with pytest.raises(RefusedError):
        base("strict", own, floor=floor)
    assert base("strict", both, floor=floor).status == "verified"
    assert base("strict", own, floor=floored(COMPANY)).status == "verified"
    lax = floored("from: {default: {signed_by: {keys: [company]}, allow_unverified: true}}\n")
    assert base("strict", own, floor=lax).status == "unverified"


class Counting(Incomplete):
    """How often it is asked for what there is."""

    asked = 0

    def referrers(self, subject: Descriptor) -> ReferrerList:
        self.asked += 1
        return self._inner.referrers(subject)


def test_nobody_is_asked_twice_about_one_base() -> None:
    both = Shelf(signature(DEBIAN.descriptor), signature(DEBIAN.descriptor, "company"))
    first, second = Counting(Shelf(signature(DEBIAN.descriptor))), Counting(both)
    lax = floored("from: {default: {signed_by: {keys: [company]}, allow_unverified: true}}\n")
    assert base("strict", first, second, floor=lax).status == "verified"
    assert (first.asked, second.asked) == (1, 1)
    assert base("strict", first, second).status == "verified"
    assert (first.asked, second.asked) == (2, 1)


def test_a_base_is_no_door() -> None:
    assert not isinstance(base("strict", Shelf(signature(DEBIAN.descriptor)).evidence), Verdict)


def test_an_unverified_base_is_not_laundered() -> None:
    weak = base("any", Broken())
    shelf = Shelf(signature(SUBJECT), provenance(SUBJECT, bases=(weak,)))
    verdict = judge(trusting("own"), target(APP), shelf.evidence)
    assert verdict.base_status == "unverified"
    assert list(verdict.explain())[-1] == "stands on a base that nobody vouched for: example.com/any:1"
    again = Verifier(policy("from: {default: {signed_by: {keys: [own]}}}\n", "own")).base(target(APP), [shelf.evidence])
    assert (again.status, again.reason) == (
        "unverified",
        "accepted by key, but stands on a base that nobody vouched for",
    )
    foreign = Shelf(signature(SUBJECT), provenance(SUBJECT, "mallory", bases=(weak,)))
    assert judge(trusting("own"), target(APP), foreign.evidence).base_status == "unknown"


def test_a_verified_base_is_told() -> None:
    strong = base("strict", Shelf(signature(DEBIAN.descriptor)).evidence)
    verdict = judge(
        trusting("own"), target(APP), Shelf(signature(SUBJECT), provenance(SUBJECT, bases=(strong,))).evidence
    )
    assert verdict.base_status == "verified"
    assert list(verdict.explain())[-1] == "every base image was accepted by key when it was built"


# showing


def examine(asked: Policy, *evidence: Any) -> Decision:
    return Verifier(asked).examine(target(APP), evidence)


def test_examining_looks_everywhere_and_marks_what_is_trusted() -> None:
    one = Shelf(signature(SUBJECT)).evidence
    two = Shelf(provenance(SUBJECT, "mallory"), provenance(SUBJECT)).evidence
    decision = examine(trusting("own"), one, two)
    assert decision.accepted
    trust = {(item.label, bool(item.trusted_by)) for item in decision.candidates}
    assert trust == {("signature", True), ("slsaprovenance1", False), ("slsaprovenance1", True)}
    assert all(item.statement for item in decision.candidates)


def test_examining_shows_what_is_there_although_nothing_covers_it() -> None:
    decision = examine(policy("scopes: {example.com: {reject: true}}\n"), Shelf(signature(SUBJECT)).evidence)
    assert not decision.accepted
    assert "no scope" in decision.reason
    assert [item.label for item in decision.candidates] == ["signature"]
    refused = examine(trusting("own"), Shelf(signature(SUBJECT, "mallory")).evidence)
    assert [item.trusted_by for item in refused.candidates] == [()]
    assert any("does not count" in line for line in refused.explain())


def test_examining_a_place_that_is_down_says_so() -> None:
    down = examine(trusting("own"), Broken())
    assert not down.accepted and "no route to host" in down.errors[0]
    uncovered = examine(policy("scopes: {example.com: {reject: true}}\n"), Broken())
    assert "no scope" in uncovered.reason and "no route to host" in uncovered.errors[0]


def test_a_signature_of_ours_is_checked_before_it_is_handed_out() -> None:
    class Wrong:
        public = key("own").public

        def sign(self, message: bytes) -> bytes:
            return key("other").sign(message)

    with pytest.raises(Exception, match="does not verify with its own public key"):
        sign(SUBJECT, Wrong(), CREATED)
