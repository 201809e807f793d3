"""What every kind of requirement must keep, and every composition of them: met by proof, and by nothing else.

A test module derives from `RequirementContract` with a list of `Example`s, and from `FormatContract` for the kinds
that a policy's texts know.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from lading.store.oci.descriptors import Descriptor
from lading.store.oci.json import canonical
from lading.verify.documents.attach import Artifact
from lading.verify.evidence.claim_set import ClaimSet
from lading.verify.evidence.collector import EvidenceCollector
from lading.verify.judgement.decision_summary import rows
from lading.verify.judgement.errors import NoAttestationError, RefusedError
from lading.verify.judgement.verifier import Verifier
from lading.verify.policy.canonical import compile_policy, load_policy, policy_digest
from lading.verify.policy.policy import Policy, Rule
from lading.verify.policy.requirements.finding import Finding
from lading.verify.policy.requirements.requirement import Requirement
from lading.verify.policy.requirements.subject_image import SubjectImage
from lading.verify.policy.scopes import DEFAULT
from suites.papers import NAME, Shelf, attestation, image, policy, provenance, rehang, signature, target

APP, OTHER = image("app"), image("other")
SUBJECT: Descriptor = APP.descriptor
IMAGE = SubjectImage((SUBJECT.digest,))


@dataclass(frozen=True)
class Example:
    """A requirement that `own` can meet, and the papers with which a signer would meet it for an image.

    `text` is the requirement as it stands in a scope, in YAML, with the key `own`.
    """

    requirement: Requirement
    papers: Callable[[Descriptor, str], tuple[Artifact, ...]]
    text: str = ""


def claims(*papers: Artifact) -> ClaimSet:
    collector = EvidenceCollector((SUBJECT,))
    collector.add(Shelf(*papers).evidence)
    assert not collector.errors
    return ClaimSet(collector.claims)


def noise() -> tuple[Artifact, ...]:
    """All sorts of things that nobody trusts."""
    return (
        signature(SUBJECT, "mallory"),
        provenance(SUBJECT, "mallory"),
        attestation(SUBJECT, "https://example.com/review", {}, "mallory"),
        rehang(signature(OTHER.descriptor), SUBJECT),
        rehang(provenance(OTHER.descriptor), SUBJECT),
    )


def asking(*requirements: Requirement) -> Policy:
    return Policy("policy.yaml", scopes={DEFAULT: Rule(DEFAULT, requirements=requirements)})


def unmet(finding: Finding) -> bool:
    assert not any(outcome.counted for outcome in finding.outcomes)
    return not finding.met and not finding.signers


class RequirementContract:
    @pytest.fixture
    def example(self) -> Example:
        raise NotImplementedError

    def test_it_is_met_by_what_it_asks_for(self, example: Example) -> None:
        finding = example.requirement.evaluate(claims(*example.papers(SUBJECT, "own")), IMAGE)
        assert finding.met
        assert {key.name for key in finding.signers} == {"own"}
        assert finding.requirement == example.requirement.words
        assert "'own'" in str(finding.within("policy.yaml", DEFAULT))

    def test_nothing_proves_nothing(self, example: Example) -> None:
        finding = example.requirement.evaluate(claims(), IMAGE)
        assert unmet(finding) and finding.outcomes == ()
        assert str(finding).startswith(f"missing: {example.requirement.words}")

    def test_what_somebody_else_signed_is_foreign(self, example: Example) -> None:
        finding = example.requirement.evaluate(claims(*example.papers(SUBJECT, "mallory")), IMAGE)
        assert unmet(finding) and all(outcome.foreign for outcome in finding.outcomes)

    def test_what_is_about_another_image_counts_for_nothing(self, example: Example) -> None:
        others = [rehang(item, SUBJECT) for item in example.papers(OTHER.descriptor, "own")]
        finding = example.requirement.evaluate(claims(*others), IMAGE)
        assert unmet(finding) and all("about another digest" in outcome.reason for outcome in finding.outcomes)

    def test_what_was_signed_for_another_name_counts_for_nothing(self, example: Example) -> None:
        papers = claims(*example.papers(SUBJECT, "own"))
        finding = example.requirement.evaluate(papers, SubjectImage((SUBJECT.digest,), ("example.com/elsewhere",)))
        assert unmet(finding) and all("was signed for" in outcome.reason for outcome in finding.outcomes)

    def test_every_claim_has_its_outcome_in_its_place(self, example: Example) -> None:
        evidence = claims(*noise(), *example.papers(SUBJECT, "own"))
        finding = example.requirement.evaluate(evidence, IMAGE)
        assert finding.met
        assert len(finding.outcomes) == len(list(evidence)) > len(noise())
        for claim, outcome in zip(evidence, finding.outcomes, strict=True):
            assert outcome.requirement == example.requirement.words and outcome.reason
            assert outcome.counted == bool(outcome.signers)
            assert set(outcome.signers) <= set(example.requirement.keys) & set(evidence.known_signers(claim))

    def test_the_order_of_the_claims_is_nothing_to_it(self, example: Example) -> None:
        papers = (*noise(), *example.papers(SUBJECT, "own"), *example.papers(SUBJECT, "mallory"))
        there = example.requirement.evaluate(claims(*papers), IMAGE)
        back = example.requirement.evaluate(claims(*reversed(papers)), IMAGE)
        assert there.met and back.met and set(there.signers) == set(back.signers)

    def test_it_says_the_same_again(self, example: Example) -> None:
        evidence = claims(*noise(), *example.papers(SUBJECT, "own"))
        assert example.requirement.evaluate(evidence, IMAGE) == example.requirement.evaluate(evidence, IMAGE)

    def test_the_digest_of_a_policy_is_of_it(self, example: Example) -> None:
        assert json.loads(canonical(dict(example.requirement.canonical())))
        assert policy_digest(asking(example.requirement)) != policy_digest(asking())
        assert policy_digest(asking(example.requirement)) != policy_digest(asking(*[example.requirement] * 2))

    def test_the_verifier_judges_by_it(self, example: Example) -> None:
        verifier, papers = Verifier(asking(example.requirement)), example.papers(SUBJECT, "own")
        verdict = verifier.verify(target(APP), [Shelf(*noise(), *papers).evidence])
        assert set(verdict.evidence) == {item.descriptor.digest for item in papers}
        assert [finding.requirement for finding in verdict.decision.findings] == [example.requirement.words]
        (row,) = rows(verdict.decision)
        assert row.met and row.text.endswith("by 'own'")
        with pytest.raises(NoAttestationError, match="nothing is attached"):
            verifier.verify(target(APP), [Shelf().evidence])

    def test_a_refusal_says_why_each_claim_did_not_count(self, example: Example) -> None:
        verifier = Verifier(asking(example.requirement))
        papers = (*noise(), *example.papers(SUBJECT, "mallory"))
        with pytest.raises(RefusedError) as caught:
            verifier.verify(target(APP), [Shelf(*papers).evidence])
        assert f"asks for {example.requirement.words}; " in caught.value.message
        assert len(caught.value.candidates) == len(papers)
        assert all(candidate.reasons for candidate in caught.value.candidates)
        (row,) = rows(caught.value.decision)
        assert not row.met and "signed by a key this policy does not name" in row.text
        json.dumps(caught.value.decision.json())


class FormatContract:
    """Of a kind that the texts know."""

    @pytest.fixture
    def example(self) -> Example:
        raise NotImplementedError

    def test_yaml_can_ask_for_it(self, example: Example) -> None:
        rule = policy(f"scopes:\n  default:\n    {example.text}\n", "own").rule_for(NAME)
        assert rule and rule.requirements == (example.requirement,)

    def test_a_compiled_policy_reads_as_the_same(self, example: Example) -> None:
        made = asking(example.requirement)
        again = load_policy(compile_policy(made), made.source)
        assert again == made and policy_digest(again) == policy_digest(made)
