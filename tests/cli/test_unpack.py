"""`unpack --force`: a tree that was changed is unpacked anew, for every image that shares it."""

from __future__ import annotations

from pathlib import Path

import pytest

from suites.commands import Lading, busybox, context
from suites.machine import needs

pytestmark = needs("root", "overlay", "crun", "conmon", "busybox")


@pytest.fixture
def lading(tmp_path: Path) -> Lading:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    lading.ok("build", "-q", "-t", "localhost/base", busybox(tmp_path / "base", "COPY words /words\n"))
    return lading


@pytest.fixture(autouse=True)
def words(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base/words").write_text("as it was built")


def tamper(lading: Lading) -> None:
    for file in (lading.root / "snapshots").glob("*/fs/words"):
        file.write_text("as somebody left")


def test_a_shared_base_is_mended_for_all(lading: Lading, tmp_path: Path) -> None:
    for name in ("one", "two"):
        text = f"FROM localhost/base\nRUN echo {name} >/name\n"
        lading.ok("build", "-q", "-t", name, context(tmp_path / name, text))
    assert lading.ok("run", "--rm", "two", "cat", "/words") == "as it was built"
    tamper(lading)
    said = lading.call("run", "--rm", "one", "cat", "/words")
    assert said.code == 125
    assert "was changed: words" in said.err
    hint = said.err.partition("hint: ")[2]
    assert hint.startswith("`lading unpack --force one:latest`")
    assert "two:latest" in hint
    assert "localhost/base:latest" in hint

    lading.ok("unpack", "--force", "one")
    for name in ("one", "two"):
        assert lading.ok("run", "--rm", name, "cat", "/words", "/name") == f"as it was built{name}"
    assert len(list((lading.root / "snapshots").iterdir())) == 4


def test_not_below_a_container_that_runs(lading: Lading, tmp_path: Path) -> None:
    lading.ok("build", "-q", "-t", "one", context(tmp_path / "one", "FROM localhost/base\nRUN echo one >/name\n"))
    lading.ok("run", "-d", "--name", "runs", "one", "sleep", "1000")
    tamper(lading)
    line = lading.fails(1, "unpack", "--force", "localhost/base")
    assert "container runs of one runs on the tree that is to be replaced" in line
    lading.ok("stop", "-t", "0", "runs")
    lading.ok("unpack", "--force", "localhost/base")
    assert lading.ok("run", "--rm", "one", "cat", "/words", "/name") == "as it was builtone"
    lading.ok("rm", "runs")


def test_one_that_is_missing_stops_nobody(lading: Lading) -> None:
    said = lading.call("unpack", "gone", "localhost/base")
    assert said.code == 1
    assert said.out.startswith("sha256:"), "the other was unpacked"
    assert "no image 'gone'" in said.err
