"""Every kind of requirement, every composition, and a kind that is added from outside, all held to one contract."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.store.errors import DocumentError
from lading.store.oci.descriptors import Descriptor
from lading.verify.documents.attach import Artifact
from lading.verify.documents.provenance import DOCKERFILE_BUILD, LOCAL_BUILDER, Provenance
from lading.verify.documents.signing import attest, subject_of
from lading.verify.documents.statements import PROVENANCE
from lading.verify.judgement.errors import RefusedError
from lading.verify.judgement.verifier import Verifier
from lading.verify.policy.canonical import compile_policy, load_policy, policy_digest
from lading.verify.policy.policy import Policy, Rule
from lading.verify.policy.requirements import requirement_kinds
from lading.verify.policy.requirements.attestation import AttestationRequirement
from lading.verify.policy.requirements.composition import Composition, all_of, any_of, at_least
from lading.verify.policy.requirements.requirement import Requirement
from lading.verify.policy.requirements.signature import SignatureRequirement
from suites.built_since import BuiltSinceFormat, BuiltSinceRequirement
from suites.papers import CREATED, Shelf, key, named, policy, provenance, signature, target, trusting
from suites.requirement import (
    APP,
    IMAGE,
    SUBJECT,
    Example,
    FormatContract,
    RequirementContract,
    asking,
    claims,
    noise,
    unmet,
)

OWN, BOB, EVE = named("own"), named("bob"), named("eve")
SIGNED = SignatureRequirement((OWN, BOB))
ATTESTED = AttestationRequirement(PROVENANCE, (OWN,), LOCAL_BUILDER)
SINCE = BuiltSinceRequirement("2026-01-01", (OWN,))


def signed(subject: Descriptor, signer: str) -> tuple[Artifact, ...]:
    return (signature(subject, signer),)


def attested(subject: Descriptor, signer: str) -> tuple[Artifact, ...]:
    return (provenance(subject, signer),)


def both(subject: Descriptor, signer: str) -> tuple[Artifact, ...]:
    return (*signed(subject, signer), *attested(subject, signer))


def dated(subject: Descriptor, signer: str, finished: str | None = "2026-06-07T08:09:10Z") -> tuple[Artifact, ...]:
    made = Provenance(DOCKERFILE_BUILD, LOCAL_BUILDER, finished=finished)
    return (attest(subject, made.statement((subject_of(subject),)), key(signer), CREATED),)


def isolated(subject: Descriptor, signer: str) -> tuple[Artifact, ...]:
    return (provenance(subject, signer, internal={"isolation": "rootless"}),)


KINDS = {
    "signature": Example(SignatureRequirement((OWN,)), signed, "signed_by: {keys: [own]}"),
    "attestation": Example(
        ATTESTED, attested, "require: [{type: slsaprovenance1, by: [own], builder: 'urn:lading:builder:local'}]"
    ),
    "isolated": Example(
        AttestationRequirement(PROVENANCE, (OWN,), isolations=("oci", "rootless")),
        isolated,
        "require: [{type: slsaprovenance1, by: [own], isolation: [oci, rootless]}]",
    ),
    "from outside": Example(SINCE, dated, "built_since: {date: '2026-01-01', by: [own]}"),
}
COMPOSITIONS = {
    "all of one": Example(all_of(SIGNED), signed),
    "all": Example(all_of(SIGNED, ATTESTED), both),
    "any of one": Example(any_of(SIGNED), signed),
    "any": Example(any_of(SIGNED, ATTESTED), both),
    "at least": Example(at_least(2, SIGNED, ATTESTED, SignatureRequirement((EVE,))), both),
    "within each other": Example(all_of(any_of(SIGNED, ATTESTED), at_least(1, ATTESTED, SIGNED)), both),
}


@pytest.fixture(autouse=True)
def known_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one line that a new kind needs."""
    monkeypatch.setattr(requirement_kinds, "FORMATS", (*requirement_kinds.FORMATS, BuiltSinceFormat()))


class TestKinds(RequirementContract, FormatContract):
    @pytest.fixture(params=KINDS)
    def example(self, request: pytest.FixtureRequest) -> Example:
        return KINDS[request.param]


class TestCompositions(RequirementContract):
    @pytest.fixture(params=COMPOSITIONS)
    def example(self, request: pytest.FixtureRequest) -> Example:
        return COMPOSITIONS[request.param]


@pytest.mark.parametrize(
    ("made", "needed"),
    [
        (all_of, 3),
        (any_of, 1),
        *((lambda *parts, number=number: at_least(number, *parts), number) for number in (1, 2, 3)),
    ],
)
def test_as_many_parts_must_be_met_as_it_says(made: type[Composition], needed: int) -> None:
    whole: Composition = made(*(SignatureRequirement((key,)) for key in (OWN, BOB, EVE)))
    for met in range(4):
        finding = whole.evaluate(claims(*(signature(SUBJECT, name) for name in ("own", "bob", "eve")[:met])), IMAGE)
        assert finding.met == (met >= needed)
        assert len(finding.signers) == len(finding.outcomes) == met
        assert [part.met for part in finding.parts] == [at < met for at in range(3)]


@pytest.mark.parametrize(
    "whole",
    [all_of(), any_of(), at_least(0), at_least(1), at_least(0, SIGNED), at_least(-1, SIGNED), at_least(2, SIGNED)],
)
def test_what_asks_for_nothing_or_for_too_much_accepts_nothing(whole: Composition) -> None:
    finding = whole.evaluate(claims(*both(SUBJECT, "own")), IMAGE)
    assert not finding.met and all(outcome.reason for outcome in finding.outcomes)
    assert finding.requirement.startswith(("nothing (so nothing is accepted)", "at least 2 of (a signature by"))
    with pytest.raises(RefusedError, match=r"asks for (nothing \(so nothing is accepted\)|at least 2 of)"):
        Verifier(asking(whole)).verify(target(APP), [Shelf(*both(SUBJECT, "own")).evidence])


def test_a_rule_that_asks_for_nothing_accepts_nothing() -> None:
    with pytest.raises(
        RefusedError, match=r"scope 'default' of policy.yaml asks for nothing \(so nothing is accepted\)"
    ):
        Verifier(asking()).verify(target(APP), [Shelf(*both(SUBJECT, "own")).evidence])


def test_a_composition_in_a_rule_is_one_line_of_the_record() -> None:
    verifier = Verifier(asking(SIGNED, any_of(ATTESTED, SignatureRequirement((EVE,)))))
    lines = list(verifier.verify(target(APP), [Shelf(*both(SUBJECT, "own")).evidence]).explain())
    assert lines[1].startswith("signed by 'own' (key ")
    assert lines[2].startswith("slsaprovenance1 attested by 'own' (key ") and "'eve'" not in lines[2]


def test_who_met_it_is_who_met_a_part_of_it() -> None:
    whole = any_of(SignatureRequirement((OWN, BOB), threshold=2), SignatureRequirement((EVE,)))
    papers = [signature(SUBJECT, "own"), signature(SUBJECT, "eve")]
    assert whole.evaluate(claims(*papers), IMAGE).signers == (EVE,)
    assert whole.evaluate(claims(papers[0]), IMAGE).signers == (OWN,)


def test_a_builder_is_compared_where_the_signer_is_right() -> None:
    (outcome,) = ATTESTED.evaluate(claims(provenance(SUBJECT, "own", builder="urn:example:x")), IMAGE).outcomes
    assert outcome.reason == f"names the builder 'urn:example:x', asked for is '{LOCAL_BUILDER}'"
    (outcome,) = ATTESTED.evaluate(claims(provenance(SUBJECT, "eve", builder="urn:example:x")), IMAGE).outcomes
    assert outcome.reason == "is not signed by 'own'" and outcome.foreign


@pytest.mark.parametrize(
    ("isolations", "internal", "reason"),
    [
        (("oci",), {"isolation": "oci"}, None),
        (("oci", "rootless"), {"isolation": "rootless"}, None),
        (("oci",), {"isolation": "none"}, None),
        (("chroot",), {"isolation": "chroot", "keyExposed": True}, None),
        (("oci",), {"isolation": "rootless"}, "has steps under 'rootless', asked for is oci"),
        (("oci",), {"isolation": "oci", "keyExposed": True}, "says that its steps could reach the signing key"),
        (("oci", "rootless"), {"isolation": "chroot", "keyExposed": True}, "says that its steps could reach"),
        (("oci", "rootless", "chroot"), {}, "has steps under None"),
    ],
)
def test_how_steps_were_isolated_can_be_asked_for(
    isolations: tuple[str, ...], internal: dict[str, object], reason: str | None
) -> None:
    asked = AttestationRequirement(PROVENANCE, (OWN,), isolations=isolations)
    (outcome,) = asked.evaluate(claims(provenance(SUBJECT, "own", internal=internal)), IMAGE).outcomes
    assert outcome.counted is (reason is None)
    assert reason is None or outcome.reason.startswith(reason)


def test_two_of_three_kinds_are_not_two_of_three_keys() -> None:
    """A threshold counts keys, each once; at least so many of some requirements may be met by one key alone."""
    asked: tuple[Requirement, ...] = (SIGNED, ATTESTED)
    assert at_least(2, *asked).evaluate(claims(*both(SUBJECT, "own")), IMAGE).met
    with pytest.raises(RefusedError, match="signatures of 2 keys"):
        Verifier(trusting("own", "bob", threshold=2)).verify(target(APP), [Shelf(*both(SUBJECT, "own")).evidence])


def test_a_kind_may_only_take_away_from_what_counts() -> None:
    """What is older does not count although the right key signed it; and what is late enough, not by anybody."""
    asked = policy("scopes: {default: {built_since: {date: '2026-01-01', by: [own]}}}\n", "own")
    for older in (dated(SUBJECT, "own", "2025-12-31T23:59:59Z"), dated(SUBJECT, "own", None)):
        with pytest.raises(RefusedError, match=r"was finished at .*, asked for is 2026-01-01 or later"):
            Verifier(asked).verify(target(APP), [Shelf(*older).evidence])
    assert unmet(SINCE.evaluate(claims(*noise(), *dated(SUBJECT, "eve")), IMAGE))
    assert Verifier(asked).verify(target(APP), [Shelf(*dated(SUBJECT, "own")).evidence])


def test_a_kind_from_outside_stands_beside_the_others_in_one_rule() -> None:
    asked = policy("scopes: {default: {signed_by: {keys: [own]}, built_since: {date: '2026-01-01'}}}\n", "own")
    assert Verifier(asked).verify(target(APP), [Shelf(*signed(SUBJECT, "own"), *dated(SUBJECT, "own")).evidence])
    with pytest.raises(RefusedError, match="asks for provenance since 2026-01-01 by 'own'; "):
        Verifier(asked).verify(target(APP), [Shelf(*signed(SUBJECT, "own")).evidence])


def test_a_threshold_of_nobody_is_met_by_nobody() -> None:
    for papers in ((), both(SUBJECT, "own")):
        assert not SignatureRequirement((OWN,), threshold=0).evaluate(claims(*papers), IMAGE).met


NAMED_KEYS = st.lists(st.sampled_from([OWN, BOB, EVE]), max_size=3).map(tuple)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=5)
SIGNATURES = st.builds(SignatureRequirement, NAMED_KEYS, st.integers(-1, 3), st.dictionaries(TEXTS, TEXTS, max_size=2))
ATTESTATIONS = st.builds(AttestationRequirement, TEXTS, NAMED_KEYS, st.none() | TEXTS)


def composed(parts: st.SearchStrategy[Requirement]) -> st.SearchStrategy[Requirement]:
    several = st.lists(parts, max_size=3)
    either_of = several.flatmap(lambda found: st.sampled_from([all_of(*found), any_of(*found)]))
    return either_of | st.builds(lambda count, found: at_least(count, *found), st.integers(-1, 3), several)


RULES = st.builds(
    Rule,
    TEXTS,
    reject=st.booleans(),
    requirements=st.lists(st.recursive(SIGNATURES | ATTESTATIONS, composed, max_leaves=4), max_size=3).map(tuple),
    signed_for=st.none() | st.lists(TEXTS, max_size=2).map(tuple),
    allow_unverified=st.booleans(),
)
SECTIONS = st.none() | st.dictionaries(TEXTS, RULES, max_size=2)
POLICIES = st.builds(Policy, st.just("p"), SECTIONS, SECTIONS, st.booleans(), st.none() | NAMED_KEYS)


def as_yaml_has_it(rule: Rule) -> bool:
    signatures = [item for item in rule.requirements if isinstance(item, SignatureRequirement)]
    possible = all(1 <= item.threshold <= len(item.keys) for item in signatures)
    return possible and len(signatures) <= 1 and not any(isinstance(item, Composition) for item in rule.requirements)


@given(made=POLICIES)
def test_what_is_compiled_reads_as_the_same(made: Policy) -> None:
    """And whatever YAML could say is compiled."""
    rules = [*(made.scopes or {}).values(), *(made.bases or {}).values()]
    try:
        compiled = compile_policy(made)
    except DocumentError:
        assert not all(map(as_yaml_has_it, rules))
        return
    assert policy_digest(load_policy(compiled, "p")) == policy_digest(made)
