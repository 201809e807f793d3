"""Whatever ends a build ends what it started: by itself where it is asked to, else with its root's next command."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pty
import secrets
import signal
import sqlite3
import subprocess
import termios
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from suites.commands import LADING, Lading, busybox, context
from suites.machine import needs
from suites.patience import until

pytestmark = needs("root", "overlay", "crun", "conmon", "nft", "ip", "busybox")


@dataclass
class Yard:
    """A root, and a context whose RUN sleeps under a name of its own."""

    lading: Lading
    context: Path
    number: str

    @property
    def run(self) -> Path:
        return Path("/run/lading") / hashlib.sha256(os.fsencode(self.lading.root)).hexdigest()[:12]

    def start(self, *words: str, **options: object) -> subprocess.Popen[bytes]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.lading.root.parent),
            "LADING_ROOT": str(self.lading.root),
            "LADING_PASSWORD": "pw",
        }
        call = [LADING, "build", "--no-cache", "--progress", "plain", *words, self.context]
        return subprocess.Popen(call, env=environment, **options)  # type: ignore[call-overload, no-any-return]

    def left(self) -> list[str]:
        """Processes of the step or of its runtime, folders, control groups, networks, temporary snapshots."""
        found: list[str] = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
                theirs = str(self.run).encode() in words and b"crun" in words and b"conmon" not in words
                if self.number.encode() in words or theirs:  # a monitor is a container's, and ends after it
                    found.append(words.decode())
        places = [self.run / "sandboxes", self.run / "oci", self.lading.root / "cache/work"]
        places += [self.run / "network/default" / name for name in ("containers", "netns")]
        found += [f"{place}/{name}" for place in places if place.is_dir() for name in os.listdir(place)]
        with closing(sqlite3.connect(f"file:{self.lading.root}/index.db?mode=ro", uri=True)) as index:
            found += [key for (key,) in index.execute("SELECT key FROM snapshot WHERE committed = 0")]
        tops = [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()]
        groups = [top / "lading" / name for top in tops for name in self.names]
        return found + [str(group) for group in groups if group.is_dir()]

    names: frozenset[str] = frozenset()

    def note(self) -> None:
        """Remembers the sandboxes there are, to know their control groups later."""
        with suppress(FileNotFoundError):
            self.names = frozenset(os.listdir(self.run / "sandboxes"))


@pytest.fixture(scope="module")
def lading(tmp_path_factory: pytest.TempPathFactory) -> Lading:
    folder = tmp_path_factory.mktemp("ended")
    made = Lading(folder / "root")
    made.ok("keygen")
    made.ok("build", "-q", "-t", "bb", busybox(folder / "base"))
    return made


@pytest.fixture
def yard(lading: Lading, tmp_path: Path) -> Iterator[Yard]:
    number = str(secrets.randbelow(10**9) + 10**9)
    made = Yard(lading, context(tmp_path / "context", f"FROM bb\nRUN echo busy; sleep {number}\n"), number)
    assert made.left() == []
    yield made
    lading.ok("images")


def _until_busy(build: subprocess.Popen[bytes]) -> None:
    assert build.stderr
    for line in build.stderr:
        if b"| busy" in line:
            return
    raise AssertionError("the step was never executed")


@pytest.mark.parametrize(
    ("signals", "code"),
    [
        ([signal.SIGTERM], 143),
        ([signal.SIGHUP], 129),
        ([signal.SIGINT], 130),
        ([signal.SIGINT, signal.SIGINT, signal.SIGTERM], 130),
    ],
)
def test_asked_to_end_it_leaves_nothing(yard: Yard, signals: list[signal.Signals], code: int) -> None:
    build = yard.start(stderr=subprocess.PIPE)
    _until_busy(build)
    yard.note()
    for number in signals:
        build.send_signal(number)
    build.communicate()
    assert (build.returncode, yard.left()) == (code, [])


TWO = """\
FROM bb AS one
RUN echo busy one; sleep {0}1
FROM bb AS two
RUN echo busy two; sleep {0}2
FROM bb
COPY --from=one /bin/sh /one
COPY --from=two /bin/sh /two
"""


def _start_two(yard: Yard) -> subprocess.Popen[bytes]:
    """Two stages under way side by side."""
    context(yard.context, TWO.format(yard.number))
    build = yard.start("--jobs", "2", stderr=subprocess.PIPE)
    assert build.stderr
    left = {b"| busy one", b"| busy two"}
    for line in build.stderr:
        left -= {words for words in left if words in line}
        if not left:
            yard.note()
            assert len(yard.names) == 2
            return build
    raise AssertionError(f"never written: {left}")


@pytest.mark.parametrize("number", [1, 2])
def test_a_step_that_fails_ends_those_beside_it_and_is_the_one_that_is_told(yard: Yard, number: int) -> None:
    build = _start_two(yard)
    _kill(f"{yard.number}{number}")
    _, said = build.communicate()
    assert (build.returncode, yard.left()) == (1, [])
    other = 3 - number
    assert f"[{other}/4] ended  ".encode() in said
    assert f"[{number}/4] {'one' if number == 1 else 'two'}  RUN echo busy".encode() in said
    errors = [line for line in said.splitlines() if line.startswith(b"lading: ")]
    assert len(errors) == 1
    assert f"Dockerfile:{2 * number}: RUN ".encode() in errors[0]
    assert b"exit code 137" in errors[0]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_asked_to_end_it_ends_all_that_runs_side_by_side(yard: Yard, number: signal.Signals, code: int) -> None:
    build = _start_two(yard)
    build.send_signal(number)
    build.communicate()
    assert (build.returncode, yard.left()) == (code, [])


def _kill(word: str) -> None:
    """Kills the process of a step that has `word` among its own: its shell comes to that after it has said `busy`."""

    def killed() -> bool:
        found = False
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if (entry / "cmdline").read_bytes().split(b"\0")[:2] == [b"sleep", word.encode()]:
                    os.kill(int(entry.name), signal.SIGKILL)
                    found = True
        return found

    until(killed, f"sleep {word}")


def test_a_terminal_that_is_closed_ends_it(yard: Yard) -> None:
    ours, theirs = pty.openpty()
    build = yard.start(stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=_own_terminal)
    os.close(theirs)
    said = b""
    while b"| busy" not in said:
        said += os.read(ours, 4096)
    yard.note()
    os.close(ours)
    build.wait()
    assert yard.left() == []


def _own_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_what_the_caller_ignores_does_not_end_it(yard: Yard) -> None:
    build = yard.start(stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    _until_busy(build)
    build.send_signal(signal.SIGHUP)
    assert build.poll() is None
    build.terminate()
    build.communicate()
    assert (build.returncode, yard.left()) == (143, [])


def _made(yard: Yard, below: str) -> Callable[[], bool]:
    return lambda: any(yard.run.glob(below))


@pytest.mark.parametrize(
    ("event", "following"),
    [
        *(
            (event, ["images"])
            for event in ("sandboxes/*", "sandboxes/*/network", "sandboxes/*/config.json", "oci/*", "output")
        ),
        ("output", ["ps", "-a"]),
        ("output", ["run", "--rm", "--network=none", "bb", "true"]),
    ],
)
def test_killed_it_is_ended_by_the_next_command(yard: Yard, event: str, following: list[str]) -> None:
    build = yard.start(stderr=subprocess.PIPE)
    if event == "output":
        _until_busy(build)
    else:
        there = _made(yard, event)
        while not there():
            assert build.poll() is None
    build.kill()
    yard.note()
    build.communicate()
    assert yard.left() != []
    yard.lading.ok(*following)
    assert yard.left() == []


def test_a_build_that_lives_is_left_alone(yard: Yard) -> None:
    build = yard.start(stderr=subprocess.PIPE)
    _until_busy(build)
    for words in (["images"], ["ps"], ["run", "--rm", "--network=none", "bb", "true"]):
        yard.lading.call(*words)
    assert build.poll() is None
    assert any(yard.number in found for found in yard.left())
    build.terminate()
    build.communicate()


def test_killed_it_leaves_nothing_where_files_were_wanted(lading: Lading, tmp_path: Path) -> None:
    """What it was unpacking beside their place goes with the next command; what only looks like it stays."""
    context = busybox(tmp_path / "many", "COPY many /many\n")
    (context / "many").mkdir()
    for name in range(3000):
        (context / "many" / str(name)).touch()
    lading.ok("build", "-q", "-t", "many", context)
    place = tmp_path / "out"
    own = place / ".lading.0123456789ab"
    own.mkdir(parents=True)
    left: list[Path] = []
    while not left:  # one that came to its end before it was seen is made again
        call = subprocess.Popen([LADING, "build", "-q", "-o", place, context], env=lading.variables())
        while call.poll() is None and not any(place.glob(".lading.*/root")):
            pass
        call.kill()
        assert call.wait() in (0, -signal.SIGKILL)
        left = list(place.glob(".lading.*/root"))
    lading.ok("images")
    assert list(place.glob(".lading.*")) == [own]
    assert os.listdir(lading.root / "cache/work") == []
