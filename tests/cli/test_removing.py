"""What stays and what goes: results without a name, the build cache, and every verb that removes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from suites.commands import Lading, busybox
from suites.machine import needs

pytestmark = needs("root", "overlay", "crun", "conmon", "busybox")


@pytest.fixture
def lading(tmp_path: Path) -> Lading:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    return lading


def build(lading: Lading, folder: Path, word: str, *options: object) -> str:
    """The digest of a small image that says `word`; its first layer is the same for all."""
    place = busybox(folder / "context", f"RUN echo {word} >/word\n")
    (place / "Dockerfile").write_text((place / "Dockerfile").read_text().replace("CMD", f'LABEL word="{word}"\nCMD'))
    return lading.ok("build", "-q", *options, place)


def blobs(lading: Lading) -> set[str]:
    return {path.name for path in (lading.root / "blobs/sha256").iterdir()}


def names(lading: Lading, *options: str) -> list[tuple[str, str]]:
    rows = [json.loads(line) for line in lading.ok("images", "--format", "json", *options).splitlines()]
    return [
        ("" if row["Repository"] == "<none>" else f"{row['Repository']}:{row['Tag']}", row["Digest"]) for row in rows
    ]


def test_what_a_build_prints_is_used_at_once(lading: Lading, tmp_path: Path) -> None:
    digest = build(lading, tmp_path, "one")
    assert lading.ok("run", "--rm", digest, "cat", "/word") == "one"
    short = digest.removeprefix("sha256:")[:12]
    config = json.loads(lading.ok("inspect", digest))[0]["ConfigDigest"]
    for text in (short, config):
        assert lading.ok("run", "--rm", text, "cat", "/word") == "one"
    assert json.loads(lading.ok("inspect", short))[0]["RepoTags"] == []
    assert "accepted" in lading.ok("verify", short)
    lading.ok("save", "-o", f"oci:{tmp_path / 'layout'}", digest)
    assert (tmp_path / "layout/index.json").exists()
    assert "has no name" in lading.fails(1, "push", digest)
    lading.ok("tag", short, "app")
    assert names(lading) == [("app:latest", digest)]


def test_images_without_a_name_are_shown_when_asked_for(lading: Lading, tmp_path: Path) -> None:
    unnamed = build(lading, tmp_path, "one")
    first = build(lading, tmp_path, "two", "-t", "app")
    assert names(lading) == [("app:latest", first)]
    assert set(names(lading, "-a")) == {("app:latest", first), ("", unnamed)}
    second = build(lading, tmp_path, "three", "-t", "app")  # as with docker, the one before loses its name and stays
    assert {digest for name, digest in names(lading, "-a") if not name} == {unnamed, first}
    assert lading.ok("run", "--rm", first, "cat", "/word") == "two"
    assert names(lading, "-f", "dangling=false", "-a") == names(lading)
    assert {digest for _, digest in names(lading, "-f", "dangling=true")} == {unnamed, first}
    assert names(lading, "-a", "-f", "label=word=one") == [("", unnamed)]
    assert names(lading, "-f", "reference=a*:lat?st") == [("app:latest", second)]
    assert [line.split()[:2] for line in lading.ok("images", "-a").splitlines()[1:]].count(["<none>", "<none>"]) == 2


def test_rmi_leaves_what_is_anothers(lading: Lading, tmp_path: Path) -> None:
    unnamed = build(lading, tmp_path, "one")
    build(lading, tmp_path, "two", "-t", "two")
    before = blobs(lading)
    three = build(lading, tmp_path, "three", "-t", "three", "-t", "also")
    assert "Untagged: also:latest" in lading.ok("rmi", "also")
    assert lading.ok("run", "--rm", "three", "cat", "/word") == "three"
    said = lading.call("rmi", "three")
    assert said.code == 0
    assert three in said.out
    # The layer of its step is the build cache's; all else of it is gone, and nothing of others.
    assert before < blobs(lading)
    assert len(blobs(lading) - before) == 1
    assert lading.ok("run", "--rm", unnamed, "cat", "/word") == "one"
    progress = lading.call("build", "--progress", "plain", "-t", "three", tmp_path / "context").err
    assert progress.count("cached") == 2


def test_rmi_of_what_has_no_name(lading: Lading, tmp_path: Path) -> None:
    digest = build(lading, tmp_path, "one")
    container = lading.ok("run", "-d", digest, "sleep", "60")
    assert "is used by container" in lading.fails(1, "rmi", digest)
    lading.ok("rm", "-f", container)
    assert digest in lading.ok("rmi", digest[7:19])
    assert names(lading, "-a") == []
    assert "no image" in lading.fails(1, "rmi", digest)


def test_a_held_image_goes_with_its_last_holder(lading: Lading, tmp_path: Path) -> None:
    digest = build(lading, tmp_path, "one", "-t", "app")
    container = lading.ok("run", "-d", "app", "sleep", "60")
    lading.ok("rmi", "-f", "app")
    assert digest.removeprefix("sha256:") in blobs(lading)
    assert lading.ok("exec", container, "cat", "/word") == "one"
    lading.ok("rm", "-f", container)
    assert digest.removeprefix("sha256:") not in blobs(lading)
