"""What a person reads first of a refusal: what is missing, and who did sign."""

from __future__ import annotations

from typing import Any

import pytest

from lading.verify.judgement.decision_summary import headline, rows
from lading.verify.judgement.errors import GateError
from lading.verify.judgement.verifier import Verifier
from lading.verify.policy.policy import Policy
from lading.verify.policy.yaml_reader import parse_policy
from suites.papers import (
    Broken,
    Shelf,
    attestation,
    image,
    pem,
    policy,
    provenance,
    rehang,
    signature,
    target,
    trusting,
)

APP, OTHER = image("app"), image("other")
SUBJECT = APP.descriptor
RESULT = "https://in-toto.io/attestation/test-result/v0.1"
TESTED = policy(
    "scopes:\n  docker.io/library:\n    signed_by: {keys: [release]}\n"
    f"    require: [{{type: '{RESULT}', by: [ci]}}]\n  default: {{reject: true}}\n",
    "release",
    "ci",
)


TRUSTING_BOSS = (
    "version: 1\nkeys:\n  boss: |\n"
    + "".join(f"    {line}\n" for line in pem("boss").splitlines())
    + "scopes: {default: {signed_by: {keys: [boss]}}}\n"
)


def told(asked: Policy, *evidence: Any, floor: Policy | None = None) -> list[str]:
    """The lines."""
    verifier = Verifier(asked, floor)
    try:
        decision = verifier.verify(target(APP), evidence).decision
    except GateError as error:
        decision = error.decision
    return [headline(decision), *(f"{'ok' if row.met else 'MISSING'} {row.text}" for row in rows(decision))]


def passed(signer: str) -> Any:
    return attestation(SUBJECT, RESULT, {"result": "PASSED"}, signer)


@pytest.mark.parametrize(
    ("papers", "missing"),
    [
        ((), "none is attached"),
        ((passed("mallory"),), "1 is attached, signed by a key this policy does not name"),
        ((passed("release"),), "1 is attached, signed by 'release'"),
        (
            (passed("release"), passed("mallory"), passed("eve")),
            "2 are attached, signed by a key this policy does not name; 1 is attached, signed by 'release'",
        ),
        (
            (rehang(attestation(OTHER.descriptor, RESULT, {}, "ci"), SUBJECT),),
            f"1 is attached, but it is about another digest, {OTHER.descriptor.digest.short}",
        ),
    ],
)
def test_it_says_what_is_missing_and_who_did_sign(papers: tuple[Any, ...], missing: str) -> None:
    shelf = Shelf(signature(SUBJECT, "release"), *papers)
    assert told(TESTED, shelf.evidence) == [
        "refused by scope docker.io/library (policy.yaml)",
        "ok signature by 'release'",
        f"MISSING in-toto test-result/v0.1 by 'ci': {missing}",
    ]


def test_of_several_keys_those_that_signed_are_named() -> None:
    asked = trusting("alice", "bob", "carol", threshold=2)
    assert told(asked, Shelf(signature(SUBJECT, "carol"), signature(SUBJECT, "alice")).evidence) == [
        "accepted by scope default (policy.yaml)",
        "ok signatures of 2 keys by 'alice' and 'carol'",
    ]
    assert told(asked, Shelf(signature(SUBJECT, "bob"), signature(SUBJECT, "eve")).evidence) == [
        "refused by scope default (policy.yaml)",
        "MISSING signatures of 2 keys by 'alice' or 'bob' or 'carol': signed only by 'bob';"
        " 1 is attached, signed by a key this policy does not name",
    ]


def test_nothing_attached_and_nothing_readable() -> None:
    where = "scope default (policy.yaml)"
    assert told(trusting("own"), Shelf().evidence) == [
        f"refused by {where}: nothing is attached that could be judged",
        "MISSING signature by 'own': none is attached",
    ]
    head, *lines = told(trusting("own"), Broken())
    assert head.startswith("could not be checked: ")
    assert "no route to host" in head
    assert lines == ["MISSING signature by 'own': none is attached"]


def test_a_scope_of_which_something_is_missing_comes_first() -> None:
    floor = parse_policy(TRUSTING_BOSS, "/etc/lading/policy.yaml")
    assert told(trusting("own"), Shelf(signature(SUBJECT)).evidence, floor=floor) == [
        "refused by scope default (/etc/lading/policy.yaml)",
        "MISSING signature by 'boss': 1 is attached, signed by 'own'",
        "ok signature by 'own'",
    ]


def test_a_name_that_nothing_covers_is_refused_in_one_line() -> None:
    asked = policy("scopes: {example.com: {signed_by: {keys: [own]}}}\n", "own")
    assert told(asked, Shelf().evidence) == ["refused: no scope of policy.yaml covers docker.io/library/app:latest"]


def test_a_base_is_refused_by_the_from_section() -> None:
    asked = policy("scopes: {default: {reject: true}}\nfrom: {default: {signed_by: {keys: [own]}}}\n", "own")
    with pytest.raises(GateError) as caught:
        Verifier(asked).base(target(APP), [Shelf(provenance(SUBJECT)).evidence])
    assert headline(caught.value.decision) == "refused by scope default (from, policy.yaml)"
