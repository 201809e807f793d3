"""`lading build --debug`: a shell in the place of the step that failed, at a terminal, and nothing of it afterwards."""

from __future__ import annotations

import hashlib
import os
import select
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from suites.commands import Lading, context
from suites.machine import needs
from suites.patience import PATIENCE, until
from suites.runs import left
from suites.screen import lading_at

pytestmark = needs("root", "overlay", "busybox", "crun")

TEXT = """FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
ENV A=of-env
ARG B=of-arg
WORKDIR /job
RUN --mount=type=secret,id=tok --mount=type=secret,id=tok,env=TOKEN --mount=type=tmpfs,target=/scratch \\
 echo made > /job/file; echo said; exit 7
"""


@pytest.fixture(scope="module")
def lading(tmp_path_factory: pytest.TempPathFactory) -> Lading:
    made = Lading(tmp_path_factory.mktemp("debug") / "root")
    made.ok("keygen")
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = context(tmp_path / "context", TEXT, tok="the-value-of-tok")
    program = shutil.which("busybox")
    assert program
    shutil.copy(program, made / "busybox")
    return made


@pytest.mark.parametrize("isolation", ["oci", "chroot"])
def test_a_shell_has_what_the_step_had_and_leaves_nothing(lading: Lading, folder: Path, isolation: str) -> None:
    words = ("--secret", f"id=tok,src={folder}/tok", "--isolation", isolation, "-t", f"debugged-{isolation}")
    with lading_at(lading, "build", "--debug", *words, folder, columns=120) as terminal:
        terminal.until("exit code 7: a shell in its place").until("/job #")
        terminal.type(b"echo $A $B $TOKEN; cat file /run/secrets/tok; ls -d /scratch; pwd\n")
        terminal.until("of-env of-arg the-value-of-tok\nmade\nthe-value-of-tok/scratch\n/job\n")
        terminal.type(b"stty size\n")
        terminal.until("24 120")
        if isolation == "chroot":  # crun 1.8 tells its terminal's size once
            terminal.resize(100, 30)
            terminal.type(b"until test \"$(stty size)\" = '30 100'; do :; done; echo fits-$((1 + 1))\n")
            terminal.until("fits-2")
        terminal.type(b"echo more > left; sh -c 'echo begun-$((1 + 1)); exec sleep 1000'\n")
        terminal.until("begun-2")
        terminal.type(b"\x03")
        terminal.until(lambda shown: shown.lines[-1] == "/job #")
        terminal.type(b"echo in-$((40 + 2))\n")
        terminal.until("in-42")
        terminal.type(b"exit\n")
        assert terminal.end() == 1
        assert "  | said" in terminal.lines
    assert not list(left(lading.root))
    assert f"debugged-{isolation}" not in lading.ok("images")
    held = [path for path in lading.root.rglob("*") if path.name == "left" or _holds(path, b"the-value-of-tok")]
    assert held == []


def _holds(path: Path, text: bytes) -> bool:
    return path.is_file() and not path.is_symlink() and text in path.read_bytes()


def test_a_signal_ends_the_shell_with_the_build(lading: Lading, folder: Path) -> None:
    with lading_at(lading, "build", "--debug", "--secret", f"id=tok,src={folder}/tok", folder) as terminal:
        terminal.until("a shell in its place").until("/job #")
        os.kill(terminal.process.pid, signal.SIGTERM)
        assert terminal.end() == 128 + signal.SIGTERM
    assert not list(left(lading.root))


def test_an_image_without_a_shell(lading: Lading, folder: Path) -> None:
    (folder / "Dockerfile").write_text('FROM scratch\nCOPY busybox /busybox\nRUN ["/busybox", "false"]\n')
    with lading_at(lading, "build", "--debug", folder) as terminal:
        assert terminal.end() == 1
        assert "perhaps the image has none" in terminal.text


def test_a_build_that_succeeds_opens_none(lading: Lading, folder: Path) -> None:
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY tok /tok\n")
    with lading_at(lading, "build", "--debug", folder) as terminal:
        assert terminal.end() == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--debug needs a terminal"),
        (["-q"], "--debug is for people"),
        (["--progress", "json"], "--debug is for people"),
    ],
)
def test_refused(lading: Lading, folder: Path, words: list[str], said: str) -> None:
    assert said in lading.call("build", "--debug", *words, folder).err
    assert lading.call("build", "--debug", *words, folder).code == 2


def _runtimes(lading: Lading) -> list[str]:
    """The OCI runtimes of this root's run folder that live."""
    run = hashlib.sha256(os.fsencode(lading.root)).hexdigest()[:12].encode()
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            if run in words and b"crun" in words:
                found.append(words.decode())
    return found


def test_killed_it_leaves_no_runtime_that_asks_a_closed_terminal(lading: Lading, folder: Path) -> None:
    """Without another command of this root."""
    with lading_at(lading, "build", "--debug", "--secret", f"id=tok,src={folder}/tok", folder) as terminal:
        terminal.until("a shell in its place").until("/job #")
        assert len(_runtimes(lading)) == 1
        terminal.process.kill()
        terminal.process.wait()
    until(lambda: not _runtimes(lading), "the end of the runtime")
    lading.ok("images")
    assert not list(left(lading.root))


def test_a_long_paste_and_its_echo_do_not_wait_for_each_other(lading: Lading, folder: Path) -> None:
    """The shell's program waits until somebody takes what it wrote, before it reads on."""

    def paste() -> None:
        master, rest = os.dup(terminal.master), b"x" * 300_000  # whatever is closed meanwhile
        with suppress(OSError):
            while rest:
                rest = rest[os.write(master, rest[:4096]) :]
        os.close(master)

    with lading_at(lading, "build", "--debug", "--secret", f"id=tok,src={folder}/tok", folder) as terminal:
        terminal.until("a shell in its place").until("/job #")
        terminal.type(b"stty raw -echo; echo ready-$((1 + 1)); cat\n")
        terminal.until("ready-2")
        Thread(target=paste, daemon=True).start()
        until(lambda: not select.select([], [terminal.master], [], 1)[1], "nobody who takes more before we read")
        back = 0
        while back < 290_000:
            assert select.select([terminal.master], [], [], PATIENCE)[0], f"nothing came after {back} bytes"
            back += len(os.read(terminal.master, 1 << 16))
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.process.wait(PATIENCE) == 128 + signal.SIGTERM
