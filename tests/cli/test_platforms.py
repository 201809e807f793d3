"""Builds for several platforms, as the command line has them: outputs, registries, and what is said of an index."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from suites.commands import Lading, context
from suites.machine import needs
from suites.registry_peers import crane_registry
from suites.registry_server import start_server

DOCKERFILE = "FROM scratch\nARG TARGETPLATFORM\nCOPY f /\nLABEL platform=$TARGETPLATFORM\n"
TWO = ("--platform", "linux/amd64,linux/arm/v7")
FOREIGN = ("--platform", "linux/arm64", "--platform", "linux/riscv64")


@pytest.fixture(scope="module")
def lading(tmp_path_factory: pytest.TempPathFactory) -> Lading:
    made = Lading(tmp_path_factory.mktemp("platforms") / "root")
    made.ok("keygen")
    return made


@pytest.fixture(scope="module")
def folder(lading: Lading) -> Path:
    return context(lading.root.parent / "context", DOCKERFILE, f="f")


@pytest.fixture
def registry(lading: Lading, tmp_path: Path) -> Iterator[str]:
    server = start_server(tmp_path / "registry")
    yield server.address
    server.stop()


def layout_platforms(folder: Path) -> list[dict[str, Any]]:
    (top,) = json.loads((folder / "index.json").read_text())["manifests"]
    index = json.loads((folder / "blobs" / top["digest"].replace(":", "/")).read_text())
    return [child["platform"] for child in index["manifests"]]


@needs("root")
def test_outputs_as_buildx_has_them(lading: Lading, folder: Path, tmp_path: Path) -> None:
    out, archive, layout = f"{tmp_path}/out", f"{tmp_path}/out.tar", f"{tmp_path}/oci"
    places = [out, f"type=tar,dest={archive}", f"oci:{layout}", f"oci-archive:{layout}.tar"]
    digest = lading.ok(
        *("build", "-q", *TWO, "--iidfile", tmp_path / "id", "--metadata-file", tmp_path / "metadata"),
        *(word for place in places for word in ("-o", place)),
        folder,
    )
    assert (tmp_path / "id").read_text() == digest
    told = json.loads((tmp_path / "metadata").read_text())
    assert told["containerimage.digest"] == digest
    assert told["containerimage.descriptor"]["mediaType"] == "application/vnd.oci.image.index.v1+json"
    assert "containerimage.config.digest" not in told
    names = ["linux_amd64", "linux_arm_v7"]
    assert sorted(os.listdir(tmp_path / "out")) == names
    assert [(tmp_path / "out" / name / "f").read_text() for name in names] == ["f", "f"]
    with tarfile.open(archive) as opened:
        assert sorted(opened.getnames()) == [word for name in names for word in (name, f"{name}/f")]
    platforms = [{"os": "linux", "architecture": "amd64"}, {"os": "linux", "architecture": "arm", "variant": "v7"}]
    assert layout_platforms(tmp_path / "oci") == platforms
    with tarfile.open(tmp_path / "oci.tar") as opened:
        opened.extractall(tmp_path / "unpacked")
    assert layout_platforms(tmp_path / "unpacked") == platforms
    split = f"type=local,dest={tmp_path}/one,platform-split=true"
    lading.ok("build", "-q", "--platform", "linux/s390x", "-o", split, folder)
    assert os.listdir(tmp_path / "one") == ["linux_s390x"]
    lading.ok("build", "-q", "--platform", "linux/s390x", "-o", tmp_path / "flat", folder)
    assert os.listdir(tmp_path / "flat") == ["f"]


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("docker-archive:x.tar", "a docker-archive holds the image of one platform"),
        ("type=docker,dest=x.tar", "a docker-archive holds the image of one platform"),
        (
            "type=local,dest=x,platform-split=false",
            "platform-split=false: the files of several platforms",
        ),
        ("type=oci,dest=x,platform-split=true", "platform-split=true|false is for type=local and type=tar"),
    ],
)
def test_outputs_that_cannot_be(lading: Lading, folder: Path, place: str, error: str) -> None:
    assert error in lading.fails(2, "build", *TWO, "-o", place, folder)


def test_annotations_of_index_and_images(lading: Lading, folder: Path) -> None:
    words = [f"--annotation={word}" for word in ("a=1", "manifest:b=2", "index:c=3", "index,manifest:d=4", "x.y:z=5")]
    digest = lading.ok("build", "-q", *TWO, *words, folder)
    index = json.loads(lading.ok("inspect", "--raw", digest))
    assert index["annotations"] == {"c": "3", "d": "4"}
    for child in index["manifests"]:
        manifest = json.loads(lading.ok("inspect", "--raw", child["digest"]))
        assert manifest["annotations"] == {"a": "1", "b": "2", "d": "4", "x.y:z": "5"}
    for kind in ("index-descriptor", "manifest[linux/amd64]"):
        said = lading.fails(2, "build", *TWO, "--annotation", f"{kind}:a=1", folder)
        assert "only those of index and manifests" in said


def test_an_index_here(lading: Lading, folder: Path) -> None:
    digest = lading.ok("build", "-q", "--sbom", *TWO, "-t", "localhost/two", folder)
    assert json.loads(lading.ok("images", "--format", "json", "localhost/two"))["ID"] == digest[7:19]
    (found,) = json.loads(lading.ok("inspect", "localhost/two"))
    assert (found["Digest"], found["Platforms"]) == (digest, ["linux/amd64", "linux/arm/v7"])
    arm = ("--platform", "linux/arm")
    for words, shown in (((), "linux/amd64"), (arm, "linux/arm/v7")):
        labels = lading.ok("inspect", *words, "--format", "{{.Config.Labels.platform}}", "localhost/two")
        assert labels == shown
        lading.ok("verify", *words, "localhost/two")
        assert f"platform: {shown}" in lading.ok("provenance", *words, "localhost/two")
        assert "spdx" in lading.ok("provenance", *words, "localhost/two")
        assert "COPY f /" in lading.ok("blame", *words, "localhost/two", "/f")
        assert "reproduced" in lading.ok("rebuild", *words, "localhost/two", "--context", folder)
        assert "SLSA" not in lading.ok("sbom", *words, "localhost/two")
        assert lading.ok("diff", *words, "localhost/two", "localhost/two").startswith("same")


@needs("root")
def test_a_rebuild_that_stands_on_two_images_of_one_name(lading: Lading, folder: Path, tmp_path: Path) -> None:
    lading.ok("build", "-q", *TWO, "-t", "localhost/both", folder)
    text = "FROM --platform=$BUILDPLATFORM localhost/both AS tools\nCOPY g /t\n"
    text += "FROM localhost/both\nCOPY --from=tools /t /f /tools/\n"
    above = context(tmp_path / "above", text, g="g")
    lading.ok("build", "-q", *TWO, "-t", "localhost/above", above)
    for platform in ("linux/amd64", "linux/arm/v7"):
        words = ("rebuild", "--platform", platform, "localhost/above", "--context", above)
        assert "reproduced" in lading.ok(*words)


def test_an_index_of_other_platforms_alone(lading: Lading, folder: Path) -> None:
    lading.ok("build", "-q", *FOREIGN, "-t", "localhost/foreign", folder)
    assert json.loads(lading.ok("inspect", "localhost/foreign"))[0]["Architecture"] == "arm64"
    assert json.loads(lading.ok("images", "--format", "json", "localhost/foreign"))["Size"] != "incomplete"
    for words in (("verify",), ("provenance",), ("blame",), ("sbom",), ("rebuild", "--context", folder)):
        said = lading.call(*words, "localhost/foreign")
        assert said.code in (1, 5), words
        assert "has no image for linux/amd64" in said.err, words
        assert "it has linux/arm64, linux/riscv64" in said.err, words
        lading.ok(*words, "--platform", "linux/arm64", "localhost/foreign")


@needs("skopeo", "crane")
def test_peers_take_the_index_from_a_registry(lading: Lading, folder: Path, registry: str, tmp_path: Path) -> None:
    name = f"{registry}/two:1"
    digest = lading.ok("build", "-q", "--compression", "gzip", "--push", *TWO, "-t", name, folder)
    listed = subprocess.run(["crane", "manifest", "--insecure", name], capture_output=True, check=True).stdout
    assert [child["platform"]["architecture"] for child in json.loads(listed)["manifests"]] == ["amd64", "arm"]
    arm = ("--override-arch", "arm", "--override-variant", "v7")
    for words, platform in (((), "linux/amd64"), (arm, "linux/arm/v7")):
        place = f"dir:{tmp_path}/{platform[6:9]}"
        copy = ["skopeo", *words, "copy", "--src-tls-verify=false", f"docker://{name}", place]
        subprocess.run(copy, capture_output=True, check=True)
        config = ["crane", "config", "--insecure", "--platform", platform, name]
        told = json.loads(subprocess.run(config, capture_output=True, check=True).stdout)
        assert told["config"]["Labels"] == {"platform": platform}
        lading.ok("verify", "--remote", "--platform", platform, name)
    other = Lading(tmp_path / "other")
    other.ok("keygen")
    (tmp_path / "other/policy.yaml").write_bytes((lading.root / "policy.yaml").read_bytes())
    assert other.ok("pull", "-q", "--platform", "linux/arm/v8", name) == digest
    other.ok("verify", "--local", "--platform", "linux/arm/v8", name)
    with crane_registry() as elsewhere:
        lading.ok("tag", name, f"{elsewhere}/two:1")
        lading.ok("push", f"{elsewhere}/two:1")
        validate = ["crane", "validate", "--insecure", "--remote", f"{elsewhere}/two:1"]
        subprocess.run(validate, capture_output=True, check=True)


@needs("skopeo", "root")
def test_a_base_of_another_platform_is_pulled_beside_the_one_that_is_here(
    lading: Lading, folder: Path, registry: str, tmp_path: Path
) -> None:
    name = f"{registry}/base:1"
    lading.ok("build", "-q", "--push", *TWO, "-t", name, folder)
    other = Lading(tmp_path / "other")
    other.ok("keygen")
    (tmp_path / "other/policy.yaml").write_bytes((lading.root / "policy.yaml").read_bytes())
    other.ok("pull", "-q", name)
    above = context(tmp_path / "above", f"FROM {name}\nCOPY g /\n", g="g")
    other.ok("build", "-q", "--platform", "linux/arm/v7", "-o", tmp_path / "out", above)
    assert sorted(os.listdir(tmp_path / "out")) == ["f", "g"]


def test_a_container_of_another_platform(lading: Lading, folder: Path) -> None:
    lading.ok("build", "-q", *FOREIGN, "-t", "localhost/foreign", folder)
    said = lading.call("run", "--rm", "--network", "none", "localhost/foreign", "/f")
    assert (said.code, "has no image for linux/amd64" in said.err) == (125, True)
    said = lading.call("run", "--rm", "--network", "none", "--platform", "linux/riscv64", "localhost/foreign", "/f")
    assert said.code == 126
    assert "warning: the image is for linux/riscv64, this machine is linux/amd64: " in said.err


@needs("root")
def test_a_base_in_an_oci_layout(lading: Lading, folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "layout"
    digest = lading.ok("build", "-q", *TWO, "-t", "localhost/base:1", "-o", f"oci:{place}:latest", folder)
    child = json.loads(lading.ok("inspect", "--platform", "linux/arm/v7", "localhost/base:1"))[0]["Digest"]
    above = context(tmp_path / "above", "FROM base\nCOPY g /\nCOPY --from=other f /h\n", g="g")
    given = ("--build-context", f"other=oci-layout://{place}:latest")
    for base in (place, f"{place}:latest", f"{place}@{digest}"):
        built = lading.ok("build", "-q", *TWO, *given, "--build-context", f"base=oci-layout://{base}", above)
        lading.ok("verify", "--platform", "linux/arm/v7", built)
        said = lading.ok("provenance", "--platform", "linux/arm/v7", "--format", "json", built)
        assert f"image:oci-layout@{digest}" in said
        assert child.removeprefix("sha256:") in said
        assert str(place) not in said
    lading.ok(
        "build", "-q", *TWO, *given, "--build-context", f"base=oci-layout://{place}", "-o", tmp_path / "out", above
    )
    assert sorted(os.listdir(tmp_path / "out/linux_arm_v7")) == ["f", "g", "h"]


@pytest.mark.parametrize(
    ("base", "code", "error"),
    [
        ("oci-layout:{place}", 2, "expected oci-layout://FOLDER[:TAG] or oci-layout://FOLDER@DIGEST"),
        ("oci-layout://{place}:2", 1, "holds 0 images 2"),
        ("oci-layout://{place}@sha256:0", 1, "holds 0 images sha256:0"),
        ("oci-layout://{place}/nowhere", 1, "/nowhere: not a folder"),
        ("target:x", 2, "targets are those of `bake`"),
    ],
)
def test_no_image_of_an_oci_layout(
    lading: Lading, folder: Path, tmp_path: Path, base: str, code: int, error: str
) -> None:
    place = tmp_path / "layout"
    lading.ok("build", "-q", "-o", f"oci:{place}:1", folder)
    above = context(tmp_path / "above", "FROM base\n")
    assert error in lading.fails(code, "build", "-q", "--build-context", f"base={base.format(place=place)}", above)
