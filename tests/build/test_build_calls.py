"""The words of `lading build` as nobody should write them: taken as docker takes them, or refused in one line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from suites.commands import Lading, context
from suites.machine import needs

pytestmark = needs("root", "overlay")

BAD = os.fsdecode(b"\xff")


@pytest.fixture(scope="module")
def lading(tmp_path_factory: pytest.TempPathFactory) -> Lading:
    made = Lading(tmp_path_factory.mktemp("calls") / "root")
    made.ok("keygen")
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return context(tmp_path, "FROM scratch\nARG A\nENV B=$A\nCOPY f /f\n", f="x")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--build-arg", f"A={BAD}"], "--build-arg A: not UTF-8 text"),
        (["--build-arg", f"{BAD}=1"], "--build-arg \\udcff: not UTF-8 text"),
        (["--label", f"a={BAD}"], "--label a: not UTF-8 text"),
        (["--builder-id", BAD], "--builder-id : not UTF-8 text"),
        (["--label", ""], "--label =: expected NAME=VALUE"),
        (["--target", BAD], "Dockerfile: no stage"),
        (["--target", "9" * 5000], "Dockerfile: no stage"),
        (["--platform", BAD], "'\\udcff': not a platform"),
        (["-t", BAD], "not an image reference"),
        (["-t", "a" * 300], "not an image reference"),
        (["-f", "nowhere"], "nowhere: no such file"),
        (["--jobs", "0"], "--jobs 0: expected 1 or more"),
        (["-f", "/"], "cannot be read: Is a directory"),
        (["-f", "/dev/zero"], "is a pipe, a socket or a device"),
        (["--build-arg", "SOURCE_DATE_EPOCH=" + "9" * 5000], "SOURCE_DATE_EPOCH: expected seconds since 1970"),
    ],
)
def test_refused(lading: Lading, folder: Path, words: list[str], said: str) -> None:
    line = lading.call("build", "-q", *words, folder)
    assert line.code in (1, 2)
    first = line.err.splitlines()[0]
    assert first.startswith("lading: ")
    assert said in first
    assert "internal error" not in first


@pytest.mark.parametrize(
    "words", [["--target", ""], ["--platform", ""], ["-f", ""], ["--build-arg", ""], ["--label", "k"]]
)
def test_nothing_given_is_nothing_asked_for(lading: Lading, folder: Path, words: list[str]) -> None:
    digest = lading.ok("build", "-q", *words, folder)
    (found,) = json.loads(lading.ok("inspect", digest))
    assert found["Config"].get("Labels") == ({"k": ""} if "k" in words else None)


def test_why_an_image_was_executed_is_said_during_the_build_and_afterwards(lading: Lading, tmp_path: Path) -> None:
    text = "FROM scratch AS a\nCOPY f /f\nFROM scratch\nARG V=1\nCOPY --from=a /f /g$V\n"
    folder = context(tmp_path, text, f="x")
    lading.ok("build", "-q", "-t", "first", folder)
    (folder / "f").write_text("y")
    said = lading.call("build", "-t", "reasons", "--why", "--build-arg", "V=2", folder).err
    assert "[1/2] why: context file f changed\n" in said
    assert '[2/2] why: destination: "/g1" -> "/g2"\n' in said
    assert "[2/2] why: --from: step 1 (COPY f /f) changed its tree\n" in said
    whole = lading.ok("why", "reasons").splitlines()
    assert [line.strip() for line in whole] == [
        "1  COPY f /f",
        "context file f changed",
        "2  COPY --from=a /f /g$V",
        'destination: "/g1" -> "/g2"',
        "--from: step 1 (COPY f /f) changed its tree",
    ]
    assert (
        lading.ok("why", "reasons", "1").splitlines() == whole[:2] == lading.ok("why", "reasons", "f /f").splitlines()
    )
    assert "reasons has no step 3" in lading.fails(1, "why", "reasons", "3")
    forced = lading.call("build", "--why", "--no-cache-filter", "A,none", "--build-arg", "V=2", folder).err
    assert "[1/2] why: nothing of the cache is to be used for a\n" in forced
    assert "[2/2] stage-1  COPY --from=a /f /g$V  cached\n" in forced
    assert "no-cache-filter: there is no stage 'none'" in forced
