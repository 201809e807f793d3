"""Every case that cosign made, judged as the vectors' README says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from lading.store.oci.documents import Index, Manifest, parse_document, parse_manifest
from lading.verify.documents.statements import predicate_type
from lading.verify.judgement.errors import GateError, NoAttestationError
from lading.verify.judgement.targets import Target
from lading.verify.judgement.verifier import Verifier
from lading.verify.keys.keys import PublicKey
from lading.verify.keys.named_key import NamedKey
from lading.verify.policy.policy import Policy
from lading.verify.policy.yaml_reader import parse_policy
from suites.machine import vectors, vectors_path
from suites.papers import Cosign

FOLDER = vectors_path()
CASES = json.loads((FOLDER / "cosign/cases.json").read_text()) if FOLDER else []
RUNS = [(case, run) for case in CASES for run in case["cosign"]]
NOT_AS_COSIGN = {
    ("only-attested", "verify", "keys/alice.pub"): (3, "signed_by counts only signatures"),
    ("key-p384", "verify", "keys/p384.pub"): (0, ""),
    ("key-ed25519", "verify", "keys/ed25519.pub"): (3, "not Ed25519ph"),
}


@dataclass
class Outcome:
    code: int
    words: str


def read_key(name: str) -> NamedKey:
    return NamedKey(name, PublicKey.from_pem((vectors() / "cosign" / name).read_bytes(), name))


def asked(run: dict[str, Any], key: str) -> Policy:
    annotations = dict(word.split("=") for word in run.get("flags", []) if "=" in word)
    types = (predicate_type(run["type"]),) if run["type"] else ()
    return Policy.trusting(read_key(key), types=types, annotations=annotations)


def aim(case: dict[str, Any], evidence: Cosign, child: int = 0) -> Target:
    document = parse_document(evidence.blob(case["image"]), None, case["name"])
    name = f"localhost:5000/{case['repository']}:1"
    if isinstance(document, Manifest):
        return Target(document, names=(name,))
    listed = document.manifests[child]
    return Target(
        parse_manifest(evidence.blob(str(listed.digest)), listed.media_type, "child"), document, names=(name,)
    )


def judge(case: dict[str, Any], policy: Policy, child: int = 0) -> Outcome:
    evidence = Cosign(vectors() / "cosign", case)
    try:
        Verifier(policy).verify(aim(case, evidence, child), [evidence])
    except GateError as error:
        return Outcome(error.exit_code, error.message)
    return Outcome(0, "")


def name_of(run: tuple[dict[str, Any], dict[str, Any]]) -> str:
    return f"{run[0]['name']}-{run[1]['command']}-{run[1].get('key', 'keyless')}-{run[1]['type']}"


@pytest.mark.parametrize("run", [run for run in RUNS if "key" in run[1]], ids=name_of)
def test_signed_with_keys(run: tuple[dict[str, Any], dict[str, Any]]) -> None:
    case, command = run
    outcome = judge(case, asked(command, command["key"]))
    code, words = NOT_AS_COSIGN.get(
        (case["name"], command["command"], command["key"]), (0 if command["exit"] == 0 else 3, "")
    )
    if command["exit"] == 10:
        code = 4
    assert outcome.code == code, outcome.words
    assert words in outcome.words


@pytest.mark.parametrize("run", [run for run in RUNS if "key" not in run[1]], ids=name_of)
def test_signed_without_keys_is_not_built_yet(run: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Whatever cosign said: keyless evidence alone is refused, with the reason."""
    case, command = run
    outcome = judge(case, asked(command, "keys/mallory.pub"))
    assert outcome.code == 3
    assert "keyless): not built yet" in outcome.words


def find(name: str) -> dict[str, Any]:
    vectors()
    return next(case for case in CASES if case["name"] == name)


def test_one_signer_twice_is_never_a_threshold_of_two() -> None:
    alice, bob = read_key("keys/alice.pub"), read_key("keys/bob.pub")
    policy = parse_policy(
        json.dumps(
            {
                "version": 1,
                "scopes": {
                    "default": {"signed_by": {"keys": [alice.key.pem.decode(), bob.key.pem.decode()], "threshold": 2}}
                },
            }
        ),
        "policy",
    )
    assert judge(find("same-signer-twice"), policy).code == 3
    assert judge(find("two-signers"), policy).code == 0


def test_a_signed_index_speaks_for_each_of_its_children_and_no_child_alone() -> None:
    case, policy = find("index"), asked({"type": None}, "keys/alice.pub")
    assert [judge(case, policy, child).code for child in (0, 1)] == [0, 0]
    evidence = Cosign(vectors() / "cosign", case)
    through = aim(case, evidence)
    assert isinstance(through.index, Index)
    with pytest.raises(NoAttestationError):
        Verifier(policy).verify(Target(through.manifest, names=through.names), [evidence])


def test_a_key_counts_beside_a_keyless_signature() -> None:
    case = find("keyless-and-key")
    assert judge(case, asked({"type": None}, "keys/alice.pub")).code == 0
