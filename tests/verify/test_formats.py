"""docs/formats.md tells the truth, and the way to a verdict imports what it needs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lading.store.archives.trees import scan
from lading.store.oci.digests import Digest
from lading.store.oci.documents import MANIFEST, parse_manifest
from lading.verify.documents.dag import Dag
from lading.verify.documents.evidence_kinds import evidence_kind
from lading.verify.documents.links import Link
from lading.verify.documents.statements import Statement
from lading.verify.keys.encoding import read_pem
from lading.verify.keys.keyfiles import LABELS
from lading.verify.keys.keys import PrivateKey
from lading.verify.observations.exchanges import NetworkTape
from lading.verify.reports.verification_summary import SUMMARY, VerificationSummary
from suites.papers import image, signature

FORMATS = (Path(__file__).resolve().parents[2] / "docs/formats.md").read_text()
WHICH = ("entries", "kdf", "artifactType", "dsseEnvelope", "nodes", "subject", "verifiedLevels", "exchanges")
WORDS = re.compile(r'"(?:sha256:…[^"]*|…|root of[^"]*|of [^"]*)"')


def examples() -> dict[str, bytes]:
    """The JSON examples, by the first of these words in each; digests filled in."""
    digest = Digest.of(b"x")

    def fill(match: re.Match[str]) -> str:
        return f'"{digest}"' if match[0].startswith('"sha256:') else f'"{digest.hex}"'

    found: dict[str, bytes] = {}
    for block in FORMATS.split("```json\n")[1:]:
        text = WORDS.sub(fill, block.split("```")[0])
        word = next(word for word in WHICH if f'"{word}"' in text)
        found[word] = text.encode()
    return found


def test_the_examples_of_links_and_dags_are_read() -> None:
    assert Link.parse(Statement.parse(examples()["subject"])).command == ("/bin/sh", "-c", "make")
    assert Dag.parse(examples()["nodes"]).link_count == 1


def test_the_example_of_a_summary_is_read() -> None:
    summary = VerificationSummary.parse(Statement((), SUMMARY, json.loads(examples()["verifiedLevels"])))
    assert (summary.passed, summary.verified) == (True, ("SLSA_BUILD_REPRODUCED",))


def test_the_example_of_a_recorded_network_is_read() -> None:
    (step,) = NetworkTape.parse(examples()["exchanges"]).steps
    assert (step.names, [exchange.status for exchange in step.exchanges]) == (("files.example.com",), [200])


def test_the_example_of_an_artifact_is_one() -> None:
    manifest = parse_manifest(examples()["artifactType"], MANIFEST, "example")
    assert evidence_kind(manifest) == "bundle"
    assert json.loads(manifest.raw).keys() == json.loads(signature(image().descriptor).manifest).keys()


def test_the_examples_of_key_and_bundle_have_the_members_that_are_written() -> None:
    body = json.loads(examples()["kdf"])
    written = json.loads(read_pem(PrivateKey.generate().write(b""), LABELS, "key")[1])
    assert shape(body) == shape(written)
    assert shape(json.loads(examples()["dsseEnvelope"])) == shape(json.loads(signature(image().descriptor).blobs[1]))


def test_the_example_of_a_tree_has_the_members_that_are_written(tmp_path: Path) -> None:
    (tmp_path / "app").write_text("hello")
    assert shape(json.loads(examples()["entries"])) == shape(json.loads(scan(tmp_path).listing()))


def shape(value: object) -> object:
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    return [shape(item) for item in value] if isinstance(value, list) else type(value)


@pytest.mark.parametrize("name", WHICH)
def test_every_format_has_its_example(name: str) -> None:
    assert name in examples()


def test_the_way_to_a_verdict_imports_no_more_than_it_needs(tmp_path: Path) -> None:
    script = """
import sys
from lading.verify.evidence.evidence import StoreEvidence
from lading.verify.policy.yaml_reader import parse_policy
from lading.verify.policy.policy import Policy
from lading.verify.policy.template import default_policy
from lading.verify.judgement.verifier import Verifier
parse_policy(default_policy(sys.stdin.read()), "policy")
print(*sorted(sys.modules))
"""
    pem = PrivateKey.generate().public.pem
    done = subprocess.run([sys.executable, "-c", script], input=pem, capture_output=True, check=True)
    loaded = set(done.stdout.decode().split())
    for word in (
        "httpx",
        "rich",
        "zstandard",
        "typer",
        "cryptography.x509",
        "lading.registry",
        "lading.verify.keys.keyfiles",
    ):
        assert word not in loaded
    assert "cryptography.hazmat.primitives.serialization" not in loaded
