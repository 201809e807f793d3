"""One build for several platforms, here and by BuildKit: the same indexes, configs and root file systems."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lading.store.errors import InputError
from lading.store.oci.documents import Index
from lading.store.oci.platforms import parse_platform
from suites.building import Bench, write
from suites.buildkit import BuildKit, buildkit
from suites.machine import needs

pytestmark = needs("buildkitd", "runc", "root", "overlay")

ARGS = "ARG TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT BUILDPLATFORM BUILDOS BUILDARCH BUILDVARIANT\n"
TELL = (
    ARGS
    + "ENV T=$TARGETPLATFORM|$TARGETOS|$TARGETARCH|$TARGETVARIANT B=$BUILDPLATFORM|$BUILDOS|$BUILDARCH|$BUILDVARIANT\n"
)
CASES = {
    "arguments": ("linux/amd64,linux/arm64,linux/arm/v7", f"FROM scratch\n{TELL}COPY f /\n"),
    "variants": ("linux/arm64/v8,linux/amd64/v2,linux/arm,linux/arm/v6,linux/386", f"FROM scratch\n{TELL}"),
    "spellings": ("linux/aarch64,linux/x86_64,linux/armhf,linux/armel,linux/i386", f"FROM scratch\n{TELL}"),
    "files": ("linux/s390x,linux/riscv64", f"FROM scratch\n{ARGS}COPY f /$TARGETARCH\nWORKDIR /w/$TARGETARCH\n"),
    "stages": (
        "linux/amd64,linux/arm64",
        f"FROM --platform=$BUILDPLATFORM scratch AS a\n{ARGS}COPY f /$TARGETARCH-$BUILDARCH\n"
        "FROM scratch\nCOPY --from=a / /\n",
    ),
    "fixed": ("linux/amd64,linux/arm64", f"FROM --platform=linux/s390x scratch\n{TELL}COPY f /\n"),
    "inherited": (
        "linux/amd64,linux/arm64",
        f"FROM --platform=linux/s390x scratch AS a\nCOPY f /\nFROM --platform=linux/ppc64le a\n{TELL}",
    ),
    "global": ("linux/amd64,linux/arm64", "ARG P=x-$TARGETARCH\nFROM scratch\nARG P\nENV P=$P\nCOPY f /\n"),
    "single": ("linux/arm64", f"FROM scratch\n{TELL}COPY f /\n"),
}


@pytest.fixture(scope="module")
def daemon() -> Iterator[BuildKit]:
    with buildkit() as found:
        yield found


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("platforms") / "store")
    yield bench
    bench.close()


def blob(layout: Path, digest: str) -> Any:
    return json.loads((layout / "blobs" / digest.replace(":", "/")).read_text())


def theirs(daemon: BuildKit, context: Path, layout: Path, platforms: str) -> list[tuple[Any, Any]]:
    """Of each image its platform in the index, and of its config what says what it is for."""
    daemon.image_layout(context, layout, "--opt", f"platform={platforms}")
    (row,) = json.loads((layout / "index.json").read_text())["manifests"]
    top = blob(layout, row["digest"])
    children = top.get("manifests", [row])
    configs = (blob(layout, blob(layout, child["digest"])["config"]["digest"]) for child in children)
    return [(child.get("platform"), told(config)) for child, config in zip(children, configs, strict=True)]


def ours(bench: Bench, context: Path, platforms: str) -> list[tuple[Any, Any]]:
    built = bench.build(context, platforms=(platforms,))
    top = bench.store.document(built.descriptor)
    children = top.manifests if isinstance(top, Index) else (built.descriptor,)
    found: list[tuple[Any, Any]] = []
    for child in children:
        config = json.loads(bench.store.config(bench.manifest(child)).raw)
        found.append((child.platform.json() if child.platform else None, told(config)))
    return found


def told(config: Any) -> Any:
    own = {name: config.get(name) for name in ("architecture", "os", "variant")}
    return own, config["config"].get("Env"), config["config"].get("WorkingDir"), len(config["rootfs"]["diff_ids"] or ())


@pytest.mark.parametrize("case", CASES)
def test_the_same_images(daemon: BuildKit, bench: Bench, tmp_path: Path, case: str) -> None:
    platforms, text = CASES[case]
    context = write(tmp_path / "context", {"Dockerfile": text, "f": "f"})
    reference = theirs(daemon, context, tmp_path / "layout", platforms)
    found = ours(bench, context, platforms)
    if len(found) == 1:  # a layout names the platform of one image, too
        reference = [(None, config) for _, config in reference]
    assert found == reference


@pytest.mark.parametrize("platforms", ["linux/amd64,linux/", "a/b/c/d", "linux/amd64,,linux/arm64"])
def test_the_same_refusals(daemon: BuildKit, bench: Bench, tmp_path: Path, platforms: str) -> None:
    context = write(tmp_path / "context", {"Dockerfile": "FROM scratch\nCOPY f /\n", "f": "f"})
    with pytest.raises(subprocess.CalledProcessError):
        theirs(daemon, context, tmp_path / "layout", platforms)
    with pytest.raises(Exception, match="not a platform"):
        ours(bench, context, platforms)


def test_the_same_folders(daemon: BuildKit, tmp_path: Path) -> None:
    """As `lading build -o DIR` makes them: tests/cli/test_platforms.py."""
    context = write(tmp_path / "context", {"Dockerfile": "FROM scratch\nCOPY f /\n", "f": "f"})
    daemon.local(context, tmp_path / "out", "--opt", "platform=linux/amd64,linux/arm/v7")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["linux_amd64", "linux_arm_v7"]


WORDS = (
    *(
        "bogus",
        "linux",
        "Linux",
        "macos",
        "hurd",
        "nacl",
        "zos",
        "wasip1",
        "unknown",
        "linux()",
        "bogus()",
        "amd64(10)",
    ),
    *(
        "amd64",
        "AMD64",
        "x86_64",
        "x86-64",
        "i386",
        "aarch64",
        "armhf",
        "armel",
        "loong64",
        "wasm",
        "mips64p32le",
        "ppc",
    ),
    *("linux/bogus", "bogus/amd64", "bogus/bogus/bogus", "linux/amd64/v9", "a/b/c/d", "linux/", "/amd64", "linux/a*"),
)


def test_platforms_are_known_as_buildkit_knows_them(daemon: BuildKit, tmp_path: Path) -> None:
    context = write(tmp_path / "context", {"Dockerfile": "FROM scratch\nENV A=1\n"})
    accepted = {
        word
        for at, word in enumerate(WORDS)
        if daemon.try_build(context, tmp_path / f"out{at}", "--opt", f"platform={word}") is None
    }
    assert {word for word in WORDS if _is_platform(word)} == accepted
    assert "bogus" not in accepted


def _is_platform(word: str) -> bool:
    try:
        parse_platform(word)
    except InputError:
        return False
    return True
