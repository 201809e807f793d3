"""What stays and what goes: results without a name, the build cache, and every verb that removes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from lading.store.store import Store
from suites.commands import Lading, busybox, context
from suites.machine import needs
from suites.screen import lading_at
from suites.small_disk import fill, small_disk

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
    container = lading.ok("run", "-d", digest, "sleep", "600")
    assert "is used by container" in lading.fails(1, "rmi", digest)
    lading.ok("rm", "-f", container)
    assert digest in lading.ok("rmi", digest[7:19])
    assert names(lading, "-a") == []
    assert "no image" in lading.fails(1, "rmi", digest)
    assert "no image" in lading.call("rmi", "-f", digest).err
    assert lading.call("rmi", "-f", digest).code == 0


def test_a_held_image_goes_with_its_last_holder(lading: Lading, tmp_path: Path) -> None:
    digest = build(lading, tmp_path, "one", "-t", "app")
    container = lading.ok("run", "-d", "app", "sleep", "600")
    lading.ok("rmi", "-f", "app")
    assert digest.removeprefix("sha256:") in blobs(lading)
    assert lading.ok("exec", container, "cat", "/word") == "one"
    lading.ok("rm", "-f", container)
    assert digest.removeprefix("sha256:") not in blobs(lading)


def test_pruning_asks_refuses_or_is_told(lading: Lading, tmp_path: Path) -> None:
    build(lading, tmp_path, "one")
    refused = (
        ("container", "prune"),
        ("image", "prune"),
        ("builder", "prune", "-a"),
        ("system", "prune", "-a", "--volumes"),
    )
    for words in refused:
        assert "this removes" in lading.fails(2, *words)
    assert "expected a size" in lading.fails(2, "builder", "prune", "-f", "--keep-storage", "much")
    assert "neither a time" in lading.fails(2, "builder", "prune", "-f", "--filter", "until=old")
    assert "--volumes" in lading.fails(2, "system", "prune", "-f", "--volumes", "--filter", "until=1h")
    assert len(names(lading, "-a")) == 1


@pytest.mark.parametrize(("answer", "left"), [("n", 1), ("", 1), ("y", 0)])
def test_at_a_terminal_pruning_asks(lading: Lading, tmp_path: Path, answer: str, left: int) -> None:
    build(lading, tmp_path, "one")
    with lading_at(lading, "image", "prune") as shown:
        shown.until("[y/N]").type(answer.encode() + b"\n")
        assert shown.end() == 0
        assert "images that have no name and no container" in shown.text
    assert len(names(lading, "-a")) == left


def test_pruning_images_leaves_names_containers_and_the_cache(lading: Lading, tmp_path: Path) -> None:
    unnamed, used = build(lading, tmp_path, "one"), build(lading, tmp_path, "two")
    container = lading.ok("run", "-d", used, "sleep", "100")
    named = build(lading, tmp_path, "three", "-t", "app")
    loose = lading.root / "blobs/sha256" / hashlib.sha256(b"of a killed pull").hexdigest()
    lading.ok("image", "prune", "-fa", "--filter", "label=word=none")
    lading.ok("image", "prune", "-fa", "--filter", "label!=word", "--filter", "label!=other")
    lading.ok("image", "prune", "-fa", "--filter", "until=1h")
    assert {digest for _, digest in names(lading, "-a")} == {unnamed, used, named}
    loose.write_bytes(b"of a killed pull")
    said = lading.ok("image", "prune", "-f")
    assert f"Deleted: {unnamed}" in said
    assert not loose.exists()
    assert {digest for _, digest in names(lading, "-a")} == {used, named}
    assert "Untagged: app:latest" in lading.ok("image", "prune", "-fa")
    assert {digest for _, digest in names(lading, "-a")} == {used}
    assert lading.ok("exec", container, "cat", "/word") == "two"
    lading.ok("rm", "-f", container)
    again = lading.call("build", "--progress", "plain", tmp_path / "context")
    assert again.out.strip() == named
    assert again.err.count("cached") == 2


def test_pruning_the_cache_by_age_size_and_all(lading: Lading, tmp_path: Path) -> None:
    def steps() -> int:
        return json.loads(lading.ok("system", "df", "--format", "{{json .TotalCount}}").splitlines()[-1]) != "0"

    build(lading, tmp_path, "one", "-t", "app")
    lading.ok("rmi", "app")
    before = blobs(lading)
    lading.ok("builder", "prune", "-f", "--filter", "until=1h")
    lading.ok("builder", "prune", "-f", "--keep-storage", "1GB")
    assert blobs(lading) == before
    assert steps()
    kept = build(lading, tmp_path, "two", "-t", "app")  # shares the first layer
    lading.ok("builder", "prune", "-f")
    assert lading.ok("run", "--rm", "app", "cat", "/word") == "two"
    again = lading.call("build", "--progress", "plain", "-t", "app", tmp_path / "context")
    assert again.out.strip() == kept
    assert again.err.count("cached") == 2
    lading.ok("builder", "prune", "-fa")
    assert not steps()
    assert lading.ok("run", "--rm", "app", "cat", "/word") == "two"
    lading.ok("rmi", "app")
    assert blobs(lading) == set()
    assert list((lading.root / "snapshots").iterdir()) == []


def test_a_build_ends_within_the_bound_but_for_what_it_made(lading: Lading, tmp_path: Path) -> None:
    bounded = {"LADING_BUILD_CACHE": "0"}
    place = busybox(tmp_path / "context", "RUN echo first >/word\n")
    lading.ok("build", "-q", "-t", "app", place, **bounded)
    again = lading.call("build", "--progress", "plain", "-t", "app", place, **bounded)
    assert again.err.count("cached") == 2  # what it used just now stays
    lading.ok("rmi", "app")
    other = context(tmp_path / "other", "FROM scratch\nCOPY Dockerfile /\n")
    lading.ok("build", "-q", "-t", "other", other)  # within the default bound: all stays
    assert lading.call("build", "--progress", "plain", place).err.count("cached") == 2
    lading.ok("image", "prune", "-f")
    lading.ok("build", "-q", "-t", "other", other, **bounded)
    assert "cached" not in lading.call("build", "--progress", "plain", place).err
    assert "LADING_BUILD_CACHE=some: expected a size" in lading.fails(2, "build", place, LADING_BUILD_CACHE="some")


def test_system_df_and_prune(lading: Lading, tmp_path: Path) -> None:
    build(lading, tmp_path, "one", "-t", "app")
    build(lading, tmp_path, "two")
    lading.ok("run", "-v", "/data", "--name", "ended", "app", "touch", "/data/x")
    running = lading.ok("run", "-d", "-v", "/data", "app", "sleep", "100")
    rows = [json.loads(line) for line in lading.ok("system", "df", "--format", "json").splitlines()]
    assert [(row["Type"], row["TotalCount"], row["Active"]) for row in rows[:3]] == [
        ("Images", "2", "1"),
        ("Containers", "2", "1"),
        ("Local Volumes", "2", "2"),
    ]
    whole = json.loads(lading.ok("system", "df", "-v", "--format", "json"))
    assert [row["Names"] for row in whole["Containers"]].count("ended") == 1
    assert sorted(row["Containers"] for row in whole["Images"]) == ["0", "2"]
    assert "BuildCache:" in lading.ok("system", "df", "-v")
    assert lading.ok("container", "prune", "-f", "--filter", "until=1h") == ""
    assert lading.ok("container", "prune", "-f", "--filter", "label=none") == ""
    said = lading.ok("system", "prune", "-fa", "--volumes")
    assert said.count("Deleted container") == said.count("Deleted volume") == 1
    ended = lading.call("run", "app", "sh", "-c", "exit 3")
    assert ended.code == 3
    assert lading.ok("container", "prune", "-f").startswith("Deleted container: ")
    assert lading.ok("ps", "-aq", "--no-trunc") == running
    assert [json.loads(line)["Names"] for line in lading.ok("ps", "-a", "--format", "json").splitlines()] != ["ended"]
    assert [name for name, _ in names(lading, "-a")] == ["app:latest"]
    assert lading.ok("exec", running, "cat", "/word") == "one"
    lading.ok("rm", "-fv", running)
    lading.ok("system", "prune", "-fa")
    rows = [json.loads(line) for line in lading.ok("system", "df", "--format", "json").splitlines()]
    assert [row["TotalCount"] for row in rows] == ["0"] * 4


def test_beside_other_work_what_was_removed_goes_when_that_has_ended(lading: Lading, tmp_path: Path) -> None:
    build(lading, tmp_path, "one", "-t", "app")
    with Store.open(lading.root) as store, store.writing():
        said = lading.call("rmi", "app")
        assert said.code == 0
        assert "goes when that has ended" in said.err
        assert "goes when that has ended" in lading.call("builder", "prune", "-fa").err
        assert "other work is writing" in lading.fails(1, "unpack", "--force", build(lading, tmp_path, "two"))
        assert len(names(lading, "-a")) == 1
    lading.ok("rmi", names(lading, "-a")[0][1])  # and whoever comes next does what was due
    lading.ok("images")
    lading.ok("builder", "prune", "-fa")
    assert blobs(lading) == set()


def test_without_a_free_byte_everything_can_be_seen_and_removed(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "48m") as small:
        lading = Lading(small / "root")
        lading.ok("keygen")
        for word in ("one", "two", "three"):
            build(lading, tmp_path, word, "-t", word)
        unnamed = build(lading, tmp_path, "four")
        fill(small)
        for words in (("images", "-a"), ("system", "df", "-v"), ("inspect", "one"), ("verify", "two")):
            lading.ok(*words)
        for words in (("rmi", "one"), ("image", "prune", "-f"), ("builder", "prune", "-fa"), ("rmi", "two")):
            lading.ok(*words)
            (small / "ballast").unlink()
            fill(small)
        assert [name for name, _ in names(lading, "-a")] == ["three:latest"]
        assert "no image" in lading.fails(1, "rmi", unnamed)
        lading.ok("system", "prune", "-fa")
        assert blobs(lading) == set()
