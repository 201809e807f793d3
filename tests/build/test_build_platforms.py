"""One build for several platforms: an index, its images, what attests them, and the steps that they share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.build.errors import DockerfileError
from lading.build.graph.request import Built
from lading.store.content.blobs import read_blob
from lading.store.errors import InputError
from lading.store.fastclass import replace
from lading.store.oci.descriptors import Descriptor, Platform
from lading.store.oci.documents import ImageConfig, Index
from lading.verify.documents import bundles, dag_artifact
from lading.verify.documents.dag import Dag
from lading.verify.documents.provenance import Provenance
from lading.verify.documents.statements import PROVENANCE, SIGN, Statement
from lading.verify.keys.keys import PrivateKey
from suites.building import Bench, Key, busybox, write
from suites.machine import needs

pytestmark = needs("root", "overlay", "busybox")

TWO = ("linux/amd64,linux/arm64",)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "store", Key(PrivateKey.generate()))
    yield bench
    bench.close()


@pytest.fixture
def based(bench: Bench, tmp_path: Path) -> Bench:
    bench.build(busybox(tmp_path / "base"), names=("localhost/base:latest",), platforms=TWO)
    bench.executor.runs = 0
    return bench


def index(bench: Bench, built: Built) -> Index:
    found = bench.store.document(built.descriptor)
    assert isinstance(found, Index)
    return found


def config(bench: Bench, image: Descriptor) -> ImageConfig:
    return bench.store.config(bench.manifest(image))


def statements(bench: Bench, subject: Descriptor) -> dict[str, Statement]:
    found: dict[str, Statement] = {}
    for descriptor in bench.store.referrers(subject.digest):
        manifest = bench.manifest(descriptor)
        if not dag_artifact.is_dag_artifact(manifest):
            bundle = bundles.parse(read_blob(bench.store.blobs, manifest.layers[0].digest))
            statement = Statement.parse(bundle.envelope.payload)
            found[statement.predicate_type] = statement
    return found


def dag(bench: Bench, subject: Descriptor) -> Dag:
    manifests = [bench.manifest(descriptor) for descriptor in bench.store.referrers(subject.digest)]
    (manifest,) = [manifest for manifest in manifests if dag_artifact.is_dag_artifact(manifest)]
    return Dag.parse(read_blob(bench.store.blobs, manifest.layers[0].digest))


def test_an_index_of_what_single_builds_make(bench: Bench, tmp_path: Path) -> None:
    text = "FROM scratch\nARG TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT BUILDPLATFORM\nCOPY f /\n"
    text += "ENV P=$TARGETPLATFORM,$TARGETOS,$TARGETARCH,$TARGETVARIANT,$BUILDPLATFORM\n"
    context = write(tmp_path / "context", {"Dockerfile": text, "f": "f"})
    platforms = ["linux/arm64/v8", "linux/amd64", "linux/arm", "linux/amd64/v2"]
    built = bench.build(context, platforms=tuple(platforms), names=("localhost/x:1",))
    listed = index(bench, built).manifests
    assert [child.platform for child in listed] == [
        Platform("linux", "arm64"),
        Platform("linux", "amd64"),
        Platform("linux", "arm", "v7"),
        Platform("linux", "amd64", "v2"),
    ]
    assert built.images == listed
    assert len(built.steps) == 1  # a COPY is the same on every platform
    told = [config(bench, child).env[-1] for child in listed]
    assert told == [
        "P=linux/arm64,linux,arm64,,linux/amd64",
        "P=linux/amd64,linux,amd64,,linux/amd64",
        "P=linux/arm/v7,linux,arm,v7,linux/amd64",
        "P=linux/amd64/v2,linux,amd64,v2,linux/amd64",
    ]
    for platform, child in zip(platforms, listed, strict=True):
        assert config(bench, child).platform == child.platform
        alone = bench.build(context, platforms=(platform,))
        assert (alone.descriptor.digest, alone.images) == (child.digest, ())


def test_one_platform_however_often_is_an_image(bench: Bench, tmp_path: Path) -> None:
    context = write(tmp_path / "context", {"Dockerfile": "FROM scratch\nCOPY f /\n", "f": "f"})
    plain = bench.build(context)
    twice = bench.build(context, platforms=("linux/amd64,Linux/x86_64", "local", "linux/amd64/v1"))
    assert twice.descriptor == plain.descriptor


def test_index_and_images_are_attested_each(bench: Bench, tmp_path: Path) -> None:
    text = "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH both /\n"
    context = write(tmp_path / "context", {"Dockerfile": text, "amd64": "1", "arm64": "2", "both": "3"})
    built = bench.build(context, platforms=TWO, names=("localhost/x:1",), index_annotations={"a": "b"})
    assert index(bench, built).annotations == {"a": "b"}
    assert statements(bench, built.descriptor).keys() == {SIGN}
    assert [subject.name for subject in statements(bench, built.descriptor)[SIGN].subjects] == ["localhost/x"]
    again = bench.build(context, platforms=TWO, names=("localhost/x:1",), index_annotations={"a": "b"})
    assert (again.descriptor, again.reused, again.attestations) == (built.descriptor, True, built.attestations)
    for platform, child in zip(("linux/amd64", "linux/arm64"), built.images, strict=True):
        found = statements(bench, child)
        assert found.keys() == {SIGN, PROVENANCE}
        provenance = Provenance.parse(found[PROVENANCE])
        assert provenance.external["platform"] == platform
        assert {node.platform for node in dag(bench, child).nodes} == {platform}
        bench.build(context, platforms=(platform,), names=("localhost/alone:1",))
        twin = Provenance.parse(statements(bench, child)[PROVENANCE])
        assert twin.dependencies == provenance.dependencies  # only the files that this image was made of


def test_stages_of_the_build_platform_are_executed_once(based: Bench, tmp_path: Path) -> None:
    text = """\
FROM --platform=$BUILDPLATFORM base AS tools
RUN echo tools > /tools
FROM --platform=$BUILDPLATFORM base AS cross
COPY --from=tools /tools /
ARG TARGETARCH
RUN echo $TARGETARCH > /made
FROM base
COPY --from=cross /made /tools /
"""
    context = write(tmp_path / "context", {"Dockerfile": text})
    built = based.build(context, platforms=TWO)
    assert based.executor.runs == 3
    assert [step.step.written for step in built.steps] == [
        "RUN echo tools > /tools",
        "COPY --from=tools /tools /",
        "RUN echo $TARGETARCH > /made",
        "COPY --from=cross /made /tools /",
        "RUN echo $TARGETARCH > /made",
        "COPY --from=cross /made /tools /",
    ]
    for architecture, child in zip(("amd64", "arm64"), built.images, strict=True):
        files = based.files(child)
        assert files["made"][-1] == f"{architecture}\n".encode()
        assert files["tools"][-1] == b"tools\n"
        nodes = {(node.step, node.platform) for node in dag(based, child).nodes}
        assert ("/bin/sh -c echo $TARGETARCH > /made", "linux/amd64") in nodes
        assert ("FROM base", f"linux/{architecture}") in nodes
        assert len(config(based, child).history) == len(config(based, built.images[0]).history)
        assert not config(based, child).history[-1].empty_layer
    bases = {base.platform for base in built.bases}
    assert bases == {"linux/amd64", "linux/arm64"}


def test_what_an_image_is_for(based: Bench, tmp_path: Path) -> None:
    """As the reference: what the call names, whatever the base is for; without that what the base is for."""
    text = "FROM --platform=linux/arm64 base\nCOPY f /\n"
    context = write(tmp_path / "context", {"Dockerfile": text, "f": "f"})
    assert config(based, based.build(context).descriptor).platform == Platform("linux", "arm64")
    named = based.build(context, platforms=("linux/amd64",))
    assert config(based, named.descriptor).platform == Platform("linux", "amd64")
    text = "FROM --platform=linux/arm64 scratch AS arm64\nCOPY f /\nFROM --platform=linux/s390x arm64\n"
    context = write(tmp_path / "nothing", {"Dockerfile": text, "f": "f"})
    assert config(based, based.build(context).descriptor).platform == Platform("linux", "amd64")


def test_a_missing_emulator_is_said_before_anything_is_executed(based: Bench, tmp_path: Path) -> None:
    text = "FROM base AS first\nRUN echo 1 > /1\nFROM base\nCOPY --from=first /1 /\nRUN echo 2 > /2\n"
    context = write(tmp_path / "context", {"Dockerfile": text})
    with pytest.raises(InputError, match="no image for linux/riscv64"):
        based.build(context, platforms=("linux/amd64,linux/riscv64,linux/arm64",))
    with pytest.raises(DockerfileError, match=r"^Dockerfile:2: RUN of linux/arm64 needs an emulator: "):
        based.build(context, platforms=TWO)
    assert based.executor.runs == 0
    text = "FROM base\nCOPY f /\nWORKDIR /w\n"
    context = write(tmp_path / "copies", {"Dockerfile": text, "f": "f"})
    assert len(based.build(context, platforms=TWO).images) == 2


def test_a_step_that_is_cached_needs_no_emulator(based: Bench, tmp_path: Path) -> None:
    """As where a machine of that kind has given it to a cache."""
    text = "FROM base\nRUN echo 1 > /1\nRUN echo 2 > /2\n"
    context = write(tmp_path / "context", {"Dockerfile": text})
    environment = based.environment
    based.environment = replace(environment, platform=Platform("linux", "arm64"))
    native = based.build(context)
    assert based.executor.runs == 2
    based.environment = environment
    built = based.build(context, platforms=TWO)
    assert based.executor.runs == 4
    assert built.images[1].digest == native.descriptor.digest
    assert not any(node.emulated for node in dag(based, native.descriptor).nodes)
    based.build(context, platforms=TWO, no_cache_stages=frozenset({"x"}))
    with pytest.raises(DockerfileError, match=r"^Dockerfile:2: RUN of linux/arm64 needs an emulator: "):
        based.build(context, platforms=("linux/arm64",), no_cache=True)


def test_32_bits_of_the_same_family_need_no_emulator(bench: Bench, tmp_path: Path) -> None:
    bench.build(busybox(tmp_path / "base"), names=("localhost/base:latest",), platforms=("linux/386",))
    context = write(tmp_path / "context", {"Dockerfile": "FROM base\nRUN echo 1 > /1\n"})
    built = bench.build(context, platforms=("linux/386",))
    assert bench.executor.runs == 1
    assert config(bench, built.descriptor).platform == Platform("linux", "386")
