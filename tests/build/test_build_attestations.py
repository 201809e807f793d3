"""What a build signs, and what it must not tell."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lading.build.context.revision import Revision
from lading.build.errors import StepError
from lading.build.graph.request import Built
from lading.store.content.blobs import read_blob
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import Manifest
from lading.verify.documents import bundles, dag_artifact
from lading.verify.documents.dag_artifact import DagArtifact
from lading.verify.documents.provenance import Provenance
from lading.verify.documents.statements import SIGN, Statement
from lading.verify.evidence.evidence import StoreEvidence
from lading.verify.judgement.targets import Target
from lading.verify.judgement.verifier import Verifier
from lading.verify.keys.keys import PrivateKey
from lading.verify.policy.template import default_policy
from lading.verify.policy.yaml_reader import parse_policy
from suites.building import Bench, Key, busybox, write
from suites.machine import needs

pytestmark = needs("root", "overlay", "busybox")

DOCKERFILE = """\
# syntax=docker/dockerfile:1.7
ARG IMAGE=base
FROM ${IMAGE} AS secret
ARG TOKEN
RUN echo "$TOKEN" > /null && echo made > /made
FROM base
ARG VERSION
COPY --from=secret /made /app/$VERSION/
COPY in /app/
RUN cat /app/$VERSION/made > /out
CMD ["/bin/sh"]
"""


@pytest.fixture
def key() -> Key:
    return Key(PrivateKey.generate())


@pytest.fixture
def bench(tmp_path: Path, key: Key) -> Iterator[Bench]:
    bench = Bench(tmp_path / "store", key)
    bench.build(busybox(tmp_path / "base"), names=("localhost/base:latest",))
    key.opened = 0
    yield bench
    bench.close()


@pytest.fixture
def context(tmp_path: Path) -> Path:
    return write(tmp_path / "context", {"Dockerfile": DOCKERFILE, "in": "in"})


def _statements(bench: Bench, built: Built, key: Key) -> dict[str, Statement]:
    found: dict[str, Statement] = {}
    for descriptor in built.attestations:
        manifest = bench.manifest(descriptor)
        if not dag_artifact.is_dag_artifact(manifest):
            bundle = bundles.parse(read_blob(bench.store.blobs, manifest.layers[0].digest))
            assert bundle.envelope.signed_by(key.key.public)
            statement = Statement.parse(bundle.envelope.payload)
            found[statement.predicate_type] = statement
    return found


def _dag(bench: Bench, built: Built) -> DagArtifact:
    manifests = [bench.manifest(descriptor) for descriptor in built.attestations]
    (manifest,) = [manifest for manifest in manifests if dag_artifact.is_dag_artifact(manifest)]
    return dag_artifact.read_artifact(
        manifest, lambda layer, limit: read_blob(bench.store.blobs, layer.digest, limit=limit)
    )


def _everything(bench: Bench, built: Built) -> bytes:
    found = b""
    for descriptor in built.attestations:
        manifest = bench.manifest(descriptor)
        found += manifest.raw
        for layer in manifest.layers:
            raw = read_blob(bench.store.blobs, layer.digest)
            found += raw
            if dag_artifact.is_dag_artifact(manifest):
                continue
            found += bundles.parse(raw).envelope.payload
    for envelope in _dag(bench, built).envelopes:
        found += envelope.payload
    return found


def test_what_is_said(bench: Bench, context: Path, key: Key) -> None:
    arguments = {"VERSION": "v17", "TOKEN": "t0psecret", "IMAGE": "base"}
    names = ("localhost:5000/team/app:1", "localhost:5000/team/app:2", "localhost/other:1")
    built = bench.build(context, names=names, arguments=arguments, labels={"l": "x"})
    statements = _statements(bench, built, key)
    sign = statements[SIGN]
    assert [subject.name for subject in sign.subjects] == ["localhost:5000/team/app", "localhost/other"]
    assert all(subject.sha256 == built.descriptor.digest for subject in sign.subjects)
    provenance = Provenance.parse(statements["https://slsa.dev/provenance/v1"])
    assert provenance.arguments == {"VERSION": "v17", "TOKEN": None, "IMAGE": None}
    assert provenance.base_status == "unverified"
    assert [base.reference for base in provenance.bases] == ["localhost/base:latest"]
    assert [item.name for item in provenance.dependencies] == ["image:localhost/base:latest", "context", "dockerfile"]
    assert provenance.dependencies[-1].content == (context / "Dockerfile").read_bytes()
    assert provenance.internal["keyExposed"] is True
    assert provenance.external["labels"] == {"l": "x"}
    assert provenance.external["syntax"] == "docker/dockerfile:1.7"
    assert provenance.started == "2001-09-09T01:46:40Z"
    dag = _dag(bench, built)
    assert provenance.dag_artifact in [descriptor.digest for descriptor in built.attestations]
    layers = bench.manifest(built.descriptor).layers
    in_image = [node.layer.digest for node in dag.dag.nodes if node.layer]
    assert in_image == [layer.digest for layer in layers[-3:]]
    assert len(dag.links) == 4
    assert all(envelope.signed_by(key.key.public) for envelope in dag.envelopes)
    run = dag.links[-1]
    assert run.command == ("/bin/sh", "-c", "cat /app/$VERSION/made > /out")
    assert set(run.environment) >= {"VERSION", "PATH", "GREETING", "SOURCE_DATE_EPOCH"}
    assert [material.name for material in run.materials] == ["image:localhost/base:latest", "tree", "tree"]
    copy = dag.links[1]
    assert copy.command == ("COPY", "--from=secret", "/made", "/app/$VERSION/")
    assert [material.name for material in copy.materials][-1] == "mount:from"
    text = _everything(bench, built)
    assert b"t0psecret" not in text
    assert b"v17" in text
    shown = bench.build(context, names=names, arguments=arguments, show_arguments=True)
    assert b"t0psecret" in _everything(bench, shown)


def test_the_verifier_accepts_it(bench: Bench, context: Path, key: Key) -> None:
    built = bench.build(context, names=("localhost/app:1",), arguments={"VERSION": "1"})
    policy = parse_policy(default_policy(key.key.public.pem.decode()), "policy")
    target = Target(bench.manifest(built.descriptor), names=("localhost/app:1",))
    verdict = Verifier(policy).verify(target, [StoreEvidence(bench.store)])
    assert verdict.manifest == built.descriptor.digest
    assert verdict.base_status == "unverified"


def test_reused_only_with_the_same_inputs(bench: Bench, context: Path, key: Key) -> None:
    first = bench.build(context, names=("localhost/a:1",), arguments={"VERSION": "1"})
    assert key.opened  # before the first step, and to sign
    key.opened = 0
    assert bench.build(context, names=("localhost/a:2",), arguments={"VERSION": "1"}).reused
    assert key.opened == 0
    other = bench.build(context, names=("localhost/b:1",), arguments={"VERSION": "1"})
    assert other.descriptor == first.descriptor
    assert other.attestations != first.attestations
    assert not other.reused
    assert key.opened == 1
    bench.build(context, names=("localhost/a:1",), arguments={"VERSION": "1", "UNUSED": "x"})
    assert key.opened == 2
    assert _dag(bench, other).links == _dag(bench, first).links


def test_another_commit_signs_anew_and_executes_nothing(bench: Bench, context: Path, key: Key) -> None:
    one, other = (Revision(digits * 40, "git+https://example.com/a", "sub/", dirty=True) for digits in "ab")
    first = bench.build(context, names=("localhost/a:1",), revision=one)
    assert bench.build(context, names=("localhost/a:1",), revision=one).reused
    second = bench.build(context, names=("localhost/a:1",), revision=other)
    assert second.descriptor == first.descriptor
    assert all(report.cached for report in bench.listener.reports)
    assert not second.reused
    assert _dag(bench, second).links == _dag(bench, first).links
    for built, revision in ((first, one), (second, other)):
        provenance = Provenance.parse(_statements(bench, built, key)["https://slsa.dev/provenance/v1"])
        assert [item for item in provenance.dependencies if item.name == "git"] == [revision.resource()]


def test_links_of_a_failed_build_are_signed_by_the_one_that_completes(bench: Bench, context: Path, key: Key) -> None:
    text = DOCKERFILE.replace("cat /app/$VERSION/made", "exit 1; cat")
    with pytest.raises(StepError):
        bench.build(write(context, {"Dockerfile": text}), arguments={"VERSION": "1"})
    built = bench.build(write(context, {"Dockerfile": DOCKERFILE}), arguments={"VERSION": "1"})
    assert [report.cached for report in built.steps] == [True, True, True, False]
    assert len(_dag(bench, built).envelopes) == 4


def test_a_cache_hit_keeps_the_original_link(bench: Bench, context: Path) -> None:
    built = bench.build(context, arguments={"VERSION": "1"})
    second = Key(PrivateKey.generate())
    bench.environment = replace(bench.environment, key=second)
    again = bench.build(context, arguments={"VERSION": "1"})
    assert [envelope.raw() for envelope in _dag(bench, again).envelopes] == [
        envelope.raw() for envelope in _dag(bench, built).envelopes
    ]
    assert second.opened == 1


def test_without_a_key_nothing_is_signed(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "store")
    context = write(tmp_path / "c", {"Dockerfile": "FROM scratch\nCOPY a /\n", "a": ""})
    built = bench.build(context)
    assert built.attestations == ()
    assert not bench.store.referrers(built.descriptor.digest)
    bench.close()


def _exported(bench: Bench, image: Descriptor, folder: Path) -> None:
    assert isinstance(bench.store.document(image), Manifest)
    bench.store.tag("localhost/x:1", image)
    bench.store.render()
    subprocess.run(
        ["skopeo", "copy", f"oci:{bench.root}:localhost/x:1", f"dir:{folder}"], check=True, capture_output=True
    )


@needs("skopeo")
def test_skopeo_reads_the_image_from_the_store(bench: Bench, context: Path, tmp_path: Path) -> None:
    built = bench.build(context, arguments={"VERSION": "1"}, compression="gzip")
    _exported(bench, built.descriptor, tmp_path / "copy")
    assert (tmp_path / "copy" / "manifest.json").exists()
