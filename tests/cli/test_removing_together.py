"""Removing beside builds, pulls and containers, and killed at any moment: whoever works gets what was promised."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from suites.commands import LADING, Lading, busybox
from suites.machine import needs
from suites.registry_server import running_server

pytestmark = needs("root", "overlay", "crun", "conmon", "busybox")

ROUNDS = 4
PRUNES = (
    ("builder", "prune", "-fa"),
    ("image", "prune", "-f"),
    ("system", "prune", "-f", "--volumes"),
    ("rmi", "junk"),
)


@pytest.fixture
def lading(tmp_path: Path) -> Lading:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    return lading


def build(lading: Lading, folder: Path, word: str, *options: str) -> str:
    place = busybox(folder, f"RUN echo {word} >/word\n")
    return lading.ok("build", "-q", *options, place)


def check(lading: Lading, name: str, word: str) -> None:
    assert lading.ok("run", "--rm", name, "cat", "/word") == word


def builder(lading: Lading, folder: Path) -> None:
    for number in range(ROUNDS):
        digest = build(lading, folder / "built", f"built{number}", "-t", f"built{number}")
        check(lading, digest, f"built{number}")


def puller(lading: Lading, name: str) -> None:
    for number in range(ROUNDS):
        lading.ok("pull", "-q", name)
        check(lading, name, "pulled")
        if number < ROUNDS - 1:
            lading.ok("rmi", name)


def runner(lading: Lading) -> None:
    for _ in range(ROUNDS):
        container = lading.ok("run", "-d", "stays", "sleep", "1000")
        assert lading.ok("exec", container, "cat", "/word") == "stays"
        lading.ok("rm", "-f", container)


def remover(lading: Lading, folder: Path, over: threading.Event) -> None:
    """Prunes again and again; every other call is killed when it has begun to write, wherever it is then."""
    turn = 0
    while not over.is_set():
        for words in PRUNES:
            build(lading, folder / "junk", f"junk{turn}", "-t", "junk")
            process = subprocess.Popen(
                [LADING, *words], env=lading.variables(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            if turn % 2:
                assert process.stdout is not None
                process.stdout.read(1)  # it has said something, or has ended
                process.send_signal(signal.SIGKILL)
            _, said = process.communicate()
            assert process.returncode in (0, -signal.SIGKILL), said
            turn += 1


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    with running_server(tmp_path / "registry") as address:
        yield address


def test_nothing_is_lost_beside_work_that_is_under_way(lading: Lading, registry: str, tmp_path: Path) -> None:
    name = f"{registry}/pulled:1"
    build(lading, tmp_path / "stays", "stays", "-t", "stays")
    build(lading, tmp_path / "pulled", "pulled", "-t", name)
    lading.ok("push", "-q", name)
    lading.ok("rmi", name)
    over = threading.Event()
    faults: list[BaseException] = []

    def work(function: Callable[..., None], *arguments: object) -> threading.Thread:
        def run() -> None:
            try:
                function(lading, *arguments)
            except BaseException as fault:
                faults.append(fault)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    removing = work(remover, tmp_path, over)
    working = [work(builder, tmp_path), work(puller, name), work(runner)]
    for thread in working:
        thread.join()
    over.set()
    removing.join()
    assert faults == []
    for number in range(ROUNDS):
        check(lading, f"built{number}", f"built{number}")
    check(lading, "stays", "stays")
    check(lading, name, "pulled")
    lading.ok("system", "prune", "-fa", "--volumes")
    assert lading.ok("images", "-aq") == ""
    assert not list((lading.root / "blobs/sha256").iterdir())
    assert not list((lading.root / "snapshots").iterdir())
