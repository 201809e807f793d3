"""Whole folders that are known by one look: what that look must see, and what every build has to tell again."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lading.store.oci.digests import Digest
from lading.verify.keys.keys import PrivateKey
from suites.building import Bench, Key, write
from suites.machine import needs
from suites.patience import until

pytestmark = needs("root", "overlay")

TEXT = "FROM scratch\nCOPY src /srv\nCOPY src/d lone /other/\n"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "store", Key(PrivateKey.generate()))
    yield bench
    bench.close()


@pytest.fixture
def context(tmp_path: Path) -> Path:
    files: dict[str, str | bytes | None] = {f"src/{number}": str(number) for number in range(600)}
    return write(
        tmp_path / "context",
        {
            **files,
            "Dockerfile": TEXT,
            ".dockerignore": "src/skipped\n*/*.log\n",
            "src/d/e": "e",
            "lone": "l",
            "src/skipped/x": "",
        },
    )


def known(bench: Bench) -> list[str]:
    return [row[0] for row in bench.store.index.all("SELECT value FROM cache WHERE kind = 'folder' ORDER BY key")]


def built(bench: Bench, context: Path) -> Digest:
    return bench.build(context).descriptor.digest


def remembered(bench: Bench, context: Path) -> Digest:
    """Builds until everything is old enough to be remembered."""

    def settled() -> bool:
        before = known(bench)
        built(bench, context)
        return len(before) == 2 and before == known(bench)

    until(settled)
    return built(bench, context)


def anew(tmp_path: Path, context: Path, key: int = 0) -> Digest:
    """What a store says that knows nothing."""
    other = Bench(tmp_path / f"other{key}", Key(PrivateKey.generate()))
    try:
        return built(other, context)
    finally:
        other.close()


def _moved(context: Path) -> None:
    (context / "src/7").rename(context / "src/d/7")


def _rewritten(context: Path) -> None:
    file = context / "src/8"
    times = file.stat()
    file.write_text("9")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def _linked(context: Path) -> None:
    (context / "src/9").unlink()
    (context / "src/9").symlink_to("8")


CHANGES: dict[str, Callable[[Path], object]] = {
    "a new file": lambda context: (context / "src/d/new").write_text("n"),
    "a mode": lambda context: (context / "src/d/e").chmod(0o700),
    "a folder's mode": lambda context: (context / "src/d").chmod(0o700),
    "content of the same size and time": _rewritten,
    "a name": _moved,
    "a link": _linked,
    "what is left out": lambda context: (context / ".dockerignore").write_text("src/1*\n"),
    "an empty folder": lambda context: (context / "src/d/empty").mkdir(),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_seen(bench: Bench, context: Path, tmp_path: Path, what: str) -> None:
    before = remembered(bench, context)
    CHANGES[what](context)
    after = built(bench, context)
    assert after != before
    assert after == anew(tmp_path, context)


@pytest.mark.parametrize("name", ["src/skipped/x", "src/skipped/new", "src/some.log"])
def test_what_is_left_out_changes_nothing(bench: Bench, context: Path, tmp_path: Path, name: str) -> None:
    before = remembered(bench, context)
    (context / name).write_text("other")
    again = bench.build(context)
    assert again.descriptor.digest == before
    assert again.reused


def test_the_provenance_names_the_same_context(bench: Bench, context: Path, tmp_path: Path) -> None:
    cold = bench.build(context)
    assert remembered(bench, context) == cold.descriptor.digest
    assert bench.build(context).reused  # the root of the context is among what attestations are found by


def test_what_a_build_has_to_tell_is_told_every_time(bench: Bench, context: Path) -> None:
    remembered(bench, context)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.fspath(context / "src/d/s"))
        for _ in range(3):
            built(bench, context)
            assert any("src/d/s" in warning for warning in bench.listener.warnings)
    (context / "src/d/s").unlink()
    (context / "src/d/id").write_bytes(b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n")

    def told() -> bool:
        built(bench, context)
        assert any("src/d/id" in warning for warning in bench.listener.warnings)
        row = bench.store.index.one("SELECT value FROM cache WHERE kind = 'stat'")
        return row is not None and b"src/d/id" in row[0]

    until(told)
    built(bench, context)
    assert any("src/d/id" in warning for warning in bench.listener.warnings)


def test_a_step_that_has_to_be_executed_finds_its_files(bench: Bench, context: Path) -> None:
    before = remembered(bench, context)
    assert bench.build(context, no_cache=True).descriptor.digest == before
