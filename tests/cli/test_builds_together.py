"""Eight builds of one context at once: one digest, each step executed once, whoever of them is killed on the way."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lading.store.archives.any_compression import uncompressed
from suites.commands import LADING, Lading, busybox, context
from suites.machine import needs
from suites.runs import left

pytestmark = needs("root", "overlay", "crun", "conmon", "busybox")

EIGHT = 8
ROUNDS = int(os.environ.get("LADING_KILLS", "1"))
SECRET = "the-value-of-tok"
TEXT = """\
FROM bb AS one
ARG WORD
RUN --mount=type=cache,target=/kept,sharing=locked echo $WORD >> /kept/words; echo $WORD one > /one
FROM bb AS two
ARG WORD
RUN --mount=type=secret,id=tok test "$(cat /run/secrets/tok)" && echo $WORD two > /two
FROM bb
COPY --from=one /one /
COPY --from=two /two /
COPY file /file
RUN cat /one /two /file > /all
"""
STEPS = 6


@pytest.fixture
def lading(tmp_path: Path) -> Lading:
    made = Lading(tmp_path / "root")
    made.ok("keygen")
    made.ok("build", "-q", "-t", "bb", busybox(tmp_path / "base"))
    context(tmp_path / "context", TEXT, file="of the context", tok=SECRET)
    (tmp_path / "context/.dockerignore").write_text("tok\n")
    return made


class Builder:
    """One of those at work."""

    def __init__(self, lading: Lading, folder: Path, word: str, tag: str) -> None:
        words = ["-t", tag, "--progress", "json", "--build-arg", f"WORD={word}", "--secret", f"id=tok,src={folder}/tok"]
        self.process = subprocess.Popen(
            [LADING, "build", *words, folder], env=lading.variables(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def events(self) -> Iterator[Mapping[str, Any]]:
        """What it tells, until it has ended."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            found = json.loads(line)
            assert isinstance(found, dict)
            yield found

    def end(self) -> tuple[str, list[str]]:
        """The digest, and the steps that it executed."""
        told = list(self.events())
        assert self.process.wait() == 0, told[-1:]
        executed = [event["text"] for event in told if event["event"] == "finished" and not event["cached"]]
        return next(event["digest"] for event in told if event["event"] == "built"), executed

    def kill_after(self, events: int) -> int:
        """Kills it when it has told that much, or when it has ended; how it ended."""
        for number, _ in enumerate(self.events(), 1):
            if number == events:
                self.process.send_signal(signal.SIGKILL)
        return self.process.wait()


def check_whole(root: Path) -> None:
    """Every blob is what it is called, the secret in none, in no log and in no file of the root."""
    for path in (root / "blobs/sha256").iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
        with path.open("rb") as stream:
            assert SECRET.encode() not in uncompressed(stream, path.name).read(-1)
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert SECRET.encode() not in path.read_bytes(), path


def test_their_work_is_done_once(lading: Lading, tmp_path: Path) -> None:
    builders = [Builder(lading, tmp_path / "context", "word", f"app{number}") for number in range(EIGHT)]
    ended = [builder.end() for builder in builders]
    assert len({digest for digest, _ in ended}) == 1
    executed = sorted(step for _, steps in ended for step in steps)
    assert executed == sorted(set(executed))
    assert len(executed) == STEPS
    assert lading.ok("run", "--rm", "app7", "cat", "/all") == "word one\nword two\nof the context"
    assert list(left(lading.root)) == []
    check_whole(lading.root)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_one_that_is_killed_takes_nothing_from_the_others(lading: Lading, tmp_path: Path, number: int) -> None:
    chance = random.Random(number)
    builders = [Builder(lading, tmp_path / "context", f"word{number}", f"app{name}") for name in range(EIGHT)]
    victims = chance.sample(builders, EIGHT // 2)
    moments = [chance.randint(1, 2 * STEPS) for _ in victims]
    with ThreadPoolExecutor(len(victims)) as pool:  # each at its own moment
        ends = set(pool.map(Builder.kill_after, victims, moments))
    assert ends <= {0, -signal.SIGKILL}
    digests = {builder.end()[0] for builder in builders if builder not in victims}
    assert len(digests) == 1
    digest, executed = Builder(lading, tmp_path / "context", f"word{number}", "again").end()
    assert {digest} == digests
    assert executed == []
    assert lading.ok("run", "--rm", "again", "cat", "/all") == f"word{number} one\nword{number} two\nof the context"
    assert list(left(lading.root)) == []
    check_whole(lading.root)
