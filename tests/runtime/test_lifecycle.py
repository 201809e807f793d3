"""Containers in the background: what is seen of them, what is done to them, and what a kill -9 leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.build.dockerfile.instruction_values import check_signal
from lading.runtime.containers import logs
from lading.runtime.lifecycle.lifecycle import RuntimeConfig
from lading.runtime.oci import conmon
from lading.runtime.oci.oci_runtime import StartError
from lading.runtime.options import Nobody, RunOptions, Streams
from lading.runtime.process.execs import ExecOptions
from lading.runtime.runtime import Runtime
from lading.runtime.spec.process_config import signal_name, signal_number
from lading.store.errors import InputError, UsageError
from suites import dying
from suites.executor_images import Harbour
from suites.machine import needs
from suites.patience import PATIENCE, until

pytestmark = needs("root", "overlay", "crun", "conmon", "busybox")

FOREVER = ("sh", "-c", "trap 'exit 5' TERM; trap 'echo hup' HUP; echo ready; while true; do sleep 0.05; done")
UNTIL_TOLD = "until [ -e /go ]; do sleep 0.05; done"


def status(harbour: Harbour, name: str) -> str:
    return harbour.runtime.find(name).status


def ready(harbour: Harbour, name: str) -> None:
    until(lambda: any(line.text == b"ready\n" for line in harbour.runtime.logs(name)))


def inside(harbour: Harbour, name: str) -> Path:
    """The root of a running container."""
    process = harbour.runtime.find(name).process
    assert process
    return Path(f"/proc/{process.pid}/root")


def waited_for(harbour: Harbour, name: str) -> int:
    """What `wait` says of a container that is told to end once somebody waits for it."""
    root, waiting = inside(harbour, name), harbour.run_dir / "containers" / harbour.runtime.find(name).id / "waiting"
    with ThreadPoolExecutor(1) as pool:
        code = pool.submit(harbour.runtime.wait, name)
        until(waiting.exists, "somebody who waits")
        (root / "go").touch()
        return code.result()


def test_detached_life(harbour: Harbour) -> None:
    ran = harbour.start(*FOREVER, name="anna")
    assert ran.exit_code is None
    ready(harbour, "anna")
    assert [item.name for item in harbour.runtime.list()] == ["anna"]
    with pytest.raises(InputError, match="running"):
        harbour.runtime.remove("anna")
    harbour.runtime.stop("anna")
    found = harbour.runtime.find("anna")
    assert (found.status, found.exit_code) == ("exited", 5)
    assert harbour.runtime.list() == []
    assert [item.name for item in harbour.runtime.list(every=True)] == ["anna"]
    assert harbour.runtime.wait("anna") == 5
    harbour.runtime.stop("anna")
    harbour.runtime.remove("anna")
    assert harbour.gone() == []


def test_it_ends_by_itself(harbour: Harbour) -> None:
    """The monitor's exit command cleans up; nobody else is there."""
    harbour.start("sh", "-c", "exit 3", name="anna")
    state = harbour.root / "containers" / harbour.runtime.find("anna").id / "state.json"
    until(lambda: b'"status":"exited"' in state.read_bytes())
    assert harbour.runtime.find("anna").exit_code == 3
    until(lambda: not harbour.processes())
    harbour.start("true", remove=True)
    until(lambda: len(harbour.runtime.list(every=True)) == 1)
    harbour.runtime.remove("anna")
    assert harbour.gone() == []


def test_who_ends_it_cleans_up_alone(harbour: Harbour, tmp_path: Path) -> None:
    """The monitor's exit command waits for them, and starts Python for nothing but what is left to do."""
    started, python = tmp_path / "started", tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho >>{started}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    _ = harbour.use
    runtime = Runtime(RuntimeConfig(harbour.root, harbour.run_dir, python=str(python)), lambda: harbour.store, None)
    wanted = RunOptions("busybox", ("sleep", "1000"), detach=True, network="none", stop_signal="KILL")
    for end in (lambda name: runtime.remove(name, force=True), runtime.stop):
        monitor = runtime.find(runtime.run(harbour.verdict(), wanted).id).monitor
        assert monitor
        end(runtime.list()[0].name)
        until(lambda monitor=monitor: not monitor.alive)
        assert not started.exists()
    runtime.run(harbour.verdict(), wanted)
    runtime.kill(runtime.list()[0].name)
    until(started.exists)


def test_kill_and_signals(harbour: Harbour) -> None:
    harbour.start(*FOREVER, name="anna")
    ready(harbour, "anna")
    harbour.runtime.kill("anna", "HUP")
    until(lambda: any(line.text == b"hup\n" for line in harbour.runtime.logs("anna")))
    with pytest.raises(UsageError, match="no such signal"):
        harbour.runtime.kill("anna", "SIGNOPE")
    harbour.runtime.kill("anna")
    assert harbour.runtime.wait("anna") == 137
    with pytest.raises(InputError, match="not running"):
        harbour.runtime.kill("anna")


def test_stop_kills_who_does_not_listen(harbour: Harbour) -> None:
    harbour.start("sh", "-c", "trap '' TERM; echo ready; while true; do sleep 0.05; done", name="anna")
    ready(harbour, "anna")
    harbour.runtime.stop("anna", 0.2)
    assert harbour.runtime.find("anna").exit_code == 137


@pytest.mark.parametrize(
    "text", ["term", "SIGUSR1", "RTMIN", "SIGRTMIN+3", "RTMIN+15", "rtmax", "SIGRTMAX-1", "RTMAX-14"]
)
def test_names_of_signals_are_the_shells(text: str) -> None:
    """All that STOPSIGNAL takes in a build is a signal that a container can be stopped with."""
    check_signal(text)
    number = int(subprocess.run(["bash", "-c", 'kill -l "${0^^}"', text], check=True, capture_output=True).stdout)
    assert signal_number(text) == number
    assert signal_number(signal_name(text)) == number


@pytest.mark.parametrize("number", range(1, 65))
def test_every_signal_has_a_name_that_is_read_back(number: int) -> None:
    assert signal_number(signal_name(str(number))) == number


@pytest.mark.parametrize("text", ["", "0", "65", "²", "RTMIN+31", "RTMAX-31", "RTMIN+", "NOPE"])
def test_what_is_no_signal(text: str) -> None:
    with pytest.raises(UsageError, match="no such signal"):
        signal_number(text)


def test_stop_signal(harbour: Harbour) -> None:
    script = "trap 'exit 6' USR1; echo ready; while true; do sleep 0.05; done"
    harbour.start("sh", "-c", script, name="anna", stop_signal="usr1")
    ready(harbour, "anna")
    harbour.runtime.stop("anna")
    assert harbour.runtime.find("anna").exit_code == 6


def test_remove_by_force(harbour: Harbour) -> None:
    harbour.start(*FOREVER, name="anna")
    harbour.runtime.remove("anna", force=True)
    assert harbour.gone() == []


def test_wait_for_one_that_removes_itself(harbour: Harbour) -> None:
    harbour.start("sh", "-c", f"{UNTIL_TOLD}; exit 9", name="anna", remove=True)
    assert waited_for(harbour, "anna") == 9
    assert harbour.gone() == []


def test_inspect(harbour: Harbour) -> None:
    ran = harbour.start(*FOREVER, name="anna", hostname="ship", env=("A=1",), labels={"x": "y"})
    found = harbour.runtime.inspect("anna")
    assert found["Id"] == ran.id
    assert found["Name"] == "/anna"
    assert found["Image"] == str(harbour.busybox.digest)
    assert (found["Path"], found["Args"]) == (FOREVER[0], list(FOREVER[1:]))
    state, config = found["State"], found["Config"]
    assert isinstance(state, dict)
    assert isinstance(config, dict)
    assert (state["Status"], state["Running"], state["ExitCode"]) == ("running", True, 0)
    assert (state["Health"], found["RestartCount"]) == (None, 0)
    assert Path(f"/proc/{state['Pid']}").exists()
    assert config["Hostname"] == "ship"
    assert "A=1" in config["Env"]
    assert config["Labels"] == {"x": "y"}
    lading = found["Lading"]
    assert isinstance(lading, dict)
    assert lading["Manifest"] == str(harbour.busybox.digest)
    assert lading["Verdict"]["basis"] == "override"
    assert lading["Verdict"]["names"] == ["docker.io/library/busybox:latest"]


class TestExec:
    def call(
        self, harbour: Harbour, *command: str, stdin: bytes | None = None, **options: object
    ) -> tuple[int, str, str]:
        folder = harbour.root.parent
        (folder / "in").write_bytes(stdin or b"")
        with (folder / "in").open("rb") as given, (folder / "o").open("w+b") as out, (folder / "e").open("w+b") as err:
            wanted = ExecOptions(command, interactive=stdin is not None, **options)  # type: ignore[arg-type]
            code = harbour.runtime.execute("anna", wanted, Streams(given.fileno(), out.fileno(), err.fileno()))
        return code, (folder / "o").read_text(), (folder / "e").read_text()

    def test_all(self, harbour: Harbour) -> None:
        harbour.start(*FOREVER, name="anna", env=("A=1",), hostname="ship", user="sailor")
        code, out, err = self.call(
            harbour, "sh", "-c", "echo $A $B $(id -u) $(pwd) $HOME; hostname; echo e >&2; exit 3", env=("B=2",)
        )
        assert (code, out, err) == (3, "1 2 1000 / /home/sailor\nship\n", "e\n")
        assert self.call(harbour, "cat", stdin=b"given")[1] == "given"
        assert self.call(harbour, "sh", "-c", "id -u; pwd", user="root", workdir="/tmp")[1] == "0\n/tmp\n"
        assert self.call(harbour, "sh", "-c", "kill -9 $$")[0] == 137
        for command, expected in (("nope", 127), ("/bin/plain", 126)):
            with pytest.raises(StartError) as caught:
                self.call(harbour, command)
            assert caught.value.code == expected
        for folder, expected in (("/nope", 127), ("/bin/plain", 125)):
            with pytest.raises(StartError, match="the working folder cannot be entered") as caught:
                self.call(harbour, "true", workdir=folder)
            assert caught.value.code == expected
        assert self.call(harbour, "sh", "-c", "exit 127")[0] == 127
        assert self.call(harbour, "sleep", "600", detach=True)[0] == 0
        assert "sleep 600" in self.call(harbour, "ps", user="root")[1]
        harbour.runtime.stop("anna")
        with pytest.raises(InputError, match="not running"):
            self.call(harbour, "true")
        harbour.runtime.remove("anna")
        assert harbour.gone() == []

    def test_one_that_is_paused_or_over(self, harbour: Harbour) -> None:
        harbour.start(*FOREVER, name="anna")
        ready(harbour, "anna")
        record = harbour.runtime.find("anna")
        oci = [harbour.config.oci_runtime, "--root", str(harbour.run_dir / "oci")]
        subprocess.run([*oci, "pause", record.id], check=True)
        with pytest.raises(StartError, match="paused") as caught:
            self.call(harbour, "true")
        assert caught.value.code == 125
        subprocess.run([*oci, "resume", record.id], check=True)
        assert self.call(harbour, "echo", "x")[1] == "x\n"
        harbour.runtime.kill("anna")
        harbour.runtime.wait("anna")
        with pytest.raises(InputError, match="not running"):
            self.call(harbour, "true")

    def test_one_that_ends_meanwhile(self, harbour: Harbour) -> None:
        harbour.start(*FOREVER, name="anna")
        ready(harbour, "anna")
        for tty in (False, True):
            harbour.runtime.remove("anna", force=True)
            harbour.start(*FOREVER, name="anna")
            ready(harbour, "anna")
            codes: list[int] = []

            def run(tty: bool = tty, codes: list[int] = codes) -> None:
                codes.append(self.call(harbour, "sh", "-c", "echo in >/seen; sleep 1000", tty=tty)[0])

            thread = threading.Thread(target=run)
            thread.start()
            until(lambda: self.call(harbour, "cat", "/seen")[1] == "in\n", "the command inside")
            harbour.runtime.kill("anna")
            thread.join()
            assert codes == [137]

    def test_two_readers_of_one_container(self, harbour: Harbour) -> None:
        """Both are told everything; one that left disturbs nobody."""
        harbour.start("sh", "-c", f"{UNTIL_TOLD}; echo out; exec sleep 1000", name="anna")
        bundle = harbour.run_dir / "containers" / harbour.runtime.find("anna").id
        readers = [conmon.connect(bundle) for _ in range(3)]
        readers.pop().close()
        self.call(harbour, "touch", "/go")
        for reader in readers:
            reader.settimeout(PATIENCE)
            assert reader.recv(100) == b"\x02out\n"
            reader.close()


class TestLogs:
    def test_streams_tail_since(self, harbour: Harbour) -> None:
        script = "for i in 1 2 3; do echo out$i; done; echo err >&2; printf cut"
        assert harbour.run("sh", "-c", script, name="anna").code == 0
        lines = list(harbour.runtime.logs("anna"))
        assert b"".join(line.text for line in lines if line.stream == "stdout") == b"out1\nout2\nout3\ncut"
        assert [line.text for line in lines if line.stream == "stderr"] == [b"err\n"]
        assert [line.text for line in harbour.runtime.logs("anna", tail=2)] == [line.text for line in lines[-2:]]
        assert list(harbour.runtime.logs("anna", tail=0)) == []
        assert len(list(harbour.runtime.logs("anna", tail=99))) == len(lines)
        assert list(harbour.runtime.logs("anna", since=str(time.time() + 5))) == []
        assert len(list(harbour.runtime.logs("anna", since="1h"))) == len(lines)

    def test_follow(self, harbour: Harbour) -> None:
        wait = "until [ -e /go$i ]; do sleep 0.05; done"
        harbour.start("sh", "-c", f"for i in 1 2 3; do echo $i; {wait}; done", name="anna")
        root, seen = inside(harbour, "anna"), []
        for line in harbour.runtime.logs("anna", follow=True):
            seen.append(line.text)
            (root / f"go{len(seen)}").touch()
        assert seen == [b"1\n", b"2\n", b"3\n"]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [("100", 100.0), ("1m30s", 910.0), ("1970-01-01T00:00:05Z", 5.0), ("1970-01-01T01:00:00.5+01:00", 0.5)],
    )
    def test_since(self, text: str, expected: float) -> None:
        assert logs.moment(text, 1000.0, "--since") == expected

    @pytest.mark.parametrize("text", ["", "yesterday", "1x", "m"])
    def test_bad_since(self, text: str) -> None:
        with pytest.raises(UsageError):
            logs.moment(text, 0, "--since")

    def test_until(self, harbour: Harbour) -> None:
        harbour.run("sh", "-c", "echo a; echo b", name="anna")
        (first, second) = harbour.runtime.logs("anna")
        assert [line.text for line in harbour.runtime.logs("anna", until=first.time)][:1] == [b"a\n"]
        assert list(harbour.runtime.logs("anna", until="1h")) == []
        assert list(harbour.runtime.logs("anna", follow=True, since=first.time, until=second.time)) == [first, second]

    def test_a_full_log_is_begun_anew(self, harbour: Harbour) -> None:
        limit = 1 << 17
        script = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i + 1)); done"
        harbour.run("sh", "-c", script, name="anna", log_limit=limit)
        folder = harbour.root / "containers" / harbour.runtime.find("anna").id
        files = [entry for entry in folder.iterdir() if entry.name.startswith("log")]
        assert [entry.name for entry in files] == ["log"]
        assert files[0].stat().st_size <= limit
        _, *lines = b"".join(line.text for line in harbour.runtime.logs("anna")).splitlines()
        assert 0 < len(lines) < 19_000
        assert lines == [b"line %d" % number for number in range(20_000 - len(lines), 20_000)]
        harbour.runtime.remove("anna")
        assert harbour.gone() == []

    def test_who_follows_goes_on_in_the_new_file(self, tmp_path: Path) -> None:
        file, going_on = tmp_path / "log", [True]
        row = b"2026-01-01T00:00:00Z stdout F %d\n"
        file.write_bytes(row % 1 + row % 2)
        found = logs.read(file, follow=lambda: going_on[0])
        assert [next(found).text, next(found).text] == [b"1\n", b"2\n"]
        with file.open("ab") as old:
            (tmp_path / "log.tmp").write_bytes(row % 4)
            (tmp_path / "log.tmp").rename(file)
            old.write(row % 3)
        assert [next(found).text, next(found).text] == [b"3\n", b"4\n"]
        with file.open("ab") as new:
            new.write(row % 5)
        going_on[0] = False
        assert [line.text for line in found] == [b"5\n"]

    @given(
        st.lists(st.binary(max_size=300)).map(b"\n".join), st.integers(0, 12), st.integers(1, 50), st.integers(20, 400)
    )
    def test_tail_is_the_tail(self, text: bytes, count: int, cut: int, block: int) -> None:
        """However lines are cut into pieces, and wherever blocks end."""
        *lines, rest = text.split(b"\n")
        rows = [(line[at : at + cut], at + cut < len(line)) for line in lines for at in range(0, len(line) or 1, cut)]
        rows += [(rest[at : at + cut], True) for at in range(0, len(rest), cut)]
        with tempfile.NamedTemporaryFile() as file, pytest.MonkeyPatch.context() as patch:
            patch.setattr(logs, "_BLOCK", block)
            file.writelines(
                b"2026-01-01T00:00:00Z stdout %s %s\n" % (b"FP"[cut : cut + 1], piece) for piece, cut in rows
            )
            file.flush()
            shown = b"".join(line.text for line in logs.read(Path(file.name), tail=count))
        expected = [line + b"\n" for line in lines] + [rest] * bool(rest)
        assert shown == b"".join(expected[-count:] if count else [])

    @given(
        st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.sampled_from("FP"), st.integers(0, 9))),
        st.integers(0, 6),
        st.integers(20, 400),
    )
    def test_a_line_is_whole_whatever_the_other_stream_wrote_meanwhile(
        self, rows: list[tuple[str, str, int]], count: int, block: int
    ) -> None:
        ends: dict[int, int] = {}
        last: dict[str, int] = {}
        for at, (stream, mark, _) in reversed(list(enumerate(rows))):
            if mark == "F" or stream not in last:
                last[stream] = at
            ends[at] = last[stream]
        kept = sorted(set(ends.values()))[-count:] if count else []
        with tempfile.NamedTemporaryFile() as file, pytest.MonkeyPatch.context() as patch:
            patch.setattr(logs, "_BLOCK", block)
            texts = [f"2026-01-01T00:00:00Z {stream} {mark} {'x' * size}\n" for stream, mark, size in rows]
            file.write("".join(texts).encode())
            file.flush()
            found = [*logs.read(Path(file.name), tail=count)]
        assert found == [logs.parse(texts[at].encode()) for at in range(len(rows)) if ends[at] in kept]

    def test_tail_over_many_blocks(self, tmp_path: Path) -> None:
        file = tmp_path / "log"
        with file.open("wb") as out:
            for number in range(5000):
                out.write(b"2026-01-01T00:00:00Z stdout F " + b"%d" % number + b"x" * 50 + b"\n")
                out.write(b"2026-01-01T00:00:00Z stdout P part\n" if number % 3 == 0 else b"")
        texts = [line.text for line in logs.read(file, tail=3000)]
        whole = b"".join(texts).split(b"\n")
        assert len(whole) == 3001
        assert whole[-2].endswith(b"4999" + b"x" * 50)


class TestTerminal:
    def test_a_terminal(self, harbour: Harbour) -> None:
        ours, theirs = os.openpty()
        done: list[int | None] = []

        def run() -> None:
            from lading.runtime.options import RunOptions

            options = RunOptions(
                "busybox",
                ("sh", "-c", "tty; stty size; read x; echo got $x; exit 4"),
                tty=True,
                interactive=True,
                network="none",
                remove=True,
            )
            streams = Streams(theirs, theirs, theirs, size=lambda: (30, 100))
            done.append(harbour.runtime.run(harbour.verdict(), options, streams).exit_code)

        import tty

        tty.setraw(theirs)
        _ = harbour.busybox
        thread = threading.Thread(target=run)
        thread.start()
        seen = b""
        while b"30 100" not in seen:
            seen += os.read(ours, 1000)
        os.write(ours, b"word\r")
        while b"got word" not in seen:
            seen += os.read(ours, 1000)
        thread.join()
        assert b"/dev/pts/0" in seen
        assert done == [4]
        assert harbour.gone() == []

    def test_detach_keys(self, harbour: Harbour) -> None:
        from lading.runtime.options import RunOptions

        ours, theirs = os.openpty()
        import tty

        tty.setraw(theirs)
        options = RunOptions("busybox", FOREVER, name="anna", tty=True, interactive=True, network="none")
        os.write(ours, b"\x10\x11")
        ran = harbour.runtime.run(harbour.verdict(), options, Streams(theirs, theirs, theirs))
        assert ran.exit_code is None
        assert status(harbour, "anna") == "running"
        harbour.runtime.kill("anna")
        assert harbour.runtime.wait("anna") == 137

    def test_signals_are_passed_on(self, harbour: Harbour) -> None:
        from lading.runtime.options import RunOptions

        out = (harbour.root.parent / "out").open("w+b")

        class Caller(Nobody):
            """It is told to end as soon as the container is ready."""

            @contextmanager
            def lend(self, receiver: Callable[[int], None]) -> Generator[None, None, None]:
                thread = threading.Thread(target=self.send, args=(receiver,))
                thread.start()
                yield
                thread.join()

            def send(self, receiver: Callable[[int], None]) -> None:
                until(lambda: b"ready" in (harbour.root.parent / "out").read_bytes())
                receiver(signal.SIGTERM)

        options = RunOptions("busybox", FOREVER, network="none", remove=True)
        ran = harbour.runtime.run(harbour.verdict(), options, Streams(None, out.fileno(), 2, Caller()))
        assert ran.exit_code == 5


RUNNER = """
import sys
from contextlib import contextmanager
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from suites.executor_images import Harbour
from lading.runtime.options import Nobody, RunOptions, Streams
class Caller(Nobody):
    @contextmanager
    def lend(self, receiver):
        print("started", _steps[0], flush=True)
        yield
harbour = Harbour(Path(sys.argv[2]), Path(sys.argv[3]), oci=sys.argv[5])
command = ("sh", "-c", sys.argv[6])
options = RunOptions("busybox", command, network="none", name="anna", remove=sys.argv[4] == "rm")
verdict = harbour.verdict()
print("go", _steps[0], flush=True)
harbour.runtime.run(verdict, options, Streams(None, caller=Caller()))
"""


def runner(harbour: Harbour, how: str, script: str = f"echo ready; {UNTIL_TOLD}", at: int = 0) -> subprocess.Popen[str]:
    """A process that runs a container in the foreground, and dies at its step `at`."""
    _ = harbour.busybox
    words = (Path(__file__).parents[1], harbour.root, harbour.run_dir, how, harbour.oci, script)
    return dying.start(RUNNER, *words, at=at)


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, int]:
    """A runner's steps when it begins with a launch, and when its program has started."""
    folder = tmp_path_factory.mktemp("way")
    (folder / "run").mkdir()
    lines = dying.said(runner(Harbour(folder / "root", folder / "run"), "rm", "true"))
    assert [line.split()[0] for line in lines] == ["go", "started"]
    return int(lines[0].split()[1]), int(lines[1].split()[1])


class TestKills:
    @pytest.mark.parametrize("part", range(12))
    def test_the_runner_at_any_moment(self, harbour: Harbour, way: tuple[int, int], part: int) -> None:
        """At its first step, its last, and those between; at the latest, when its program has started."""
        first, last = way
        child = runner(harbour, "rm", at=first + 1 + (last - first - 1) * part // 11)
        assert child.stdout
        if any(line.startswith("started") for line in child.stdout):
            child.kill()
        assert dying.killed(child)
        harbour.runtime.recover()
        for record in harbour.runtime.list():
            assert waited_for(harbour, record.name) == 0
        harbour.runtime.recover()
        assert harbour.gone() == []
        assert harbour.run("echo", "fine", name="anna", remove=True).stdout == "fine\n"

    def test_the_runner_while_the_oci_runtime_is_at_work(self, harbour: Harbour, tmp_path: Path) -> None:
        """A monitor and an OCI runtime that went on would fill the mount point of a container that is gone."""
        here, go, slow = tmp_path / "here", tmp_path / "go", tmp_path / "slow"
        for pipe in (here, go):
            os.mkfifo(pipe)
        slow.write_text(
            f'#!/bin/sh\ncase " $* " in *" create "*) echo > {here}; read _ < {go};; esac\nexec crun "$@"\n'
        )
        slow.chmod(0o755)
        harbour.oci = f"../../..{slow}"
        child = runner(harbour, "rm")
        assert here.read_text() == "\n"
        child.kill()
        assert dying.killed(child)
        harbour.runtime.recover()
        assert harbour.gone() == []
        with pytest.raises(OSError, match="No such device"):  # nobody reads it any more
            os.open(go, os.O_WRONLY | os.O_NONBLOCK)

    def test_a_container_goes_on_without_its_runner(self, harbour: Harbour) -> None:
        child = runner(harbour, "keep")
        until(lambda: harbour.runtime.list())
        ready(harbour, "anna")
        child.kill()
        assert dying.killed(child)
        assert status(harbour, "anna") == "running"
        assert waited_for(harbour, "anna") == 0

    def test_the_monitor(self, harbour: Harbour) -> None:
        harbour.start(*FOREVER, name="anna")
        ready(harbour, "anna")
        record = harbour.runtime.find("anna")
        assert record.monitor
        os.kill(record.monitor.pid, signal.SIGKILL)
        assert status(harbour, "anna") == "running"
        harbour.runtime.stop("anna", 1)
        assert harbour.runtime.find("anna").error
        harbour.runtime.remove("anna")
        assert harbour.gone() == []

    def test_everything(self, harbour: Harbour) -> None:
        harbour.start("sleep", "600", name="anna")
        record = harbour.runtime.find("anna")
        assert record.monitor
        assert record.process
        os.kill(record.monitor.pid, signal.SIGKILL)
        os.kill(record.process.pid, signal.SIGKILL)
        until(lambda: status(harbour, "anna") == "exited")
        assert harbour.runtime.find("anna").exit_code == 255
        harbour.runtime.remove("anna")
        assert harbour.gone() == []

    def test_whoever_took_it_down(self, harbour: Harbour) -> None:
        """Between the end that is on record and the removal of the bundle."""
        harbour.run("true", name="anna")
        bundle = harbour.run_dir / "containers" / harbour.runtime.find("anna").id
        bundle.mkdir(parents=True)
        (bundle / "config.json").touch()
        harbour.run("true", name="ben", remove=True)
        assert not bundle.exists()
        assert status(harbour, "anna") == "exited"

    def test_after_a_reboot(self, harbour: Harbour) -> None:
        """The volatile half and the kernel's objects are gone, the record still says running."""
        harbour.start("sleep", "600", name="anna")
        record = harbour.runtime.find("anna")
        file = harbour.root / "containers" / record.id / "state.json"
        said = file.read_bytes()
        harbour.runtime.kill("anna")
        harbour.runtime.wait("anna")
        until(lambda: not harbour.processes())
        file.write_bytes(said)
        assert status(harbour, "anna") == "exited"
        harbour.runtime.remove("anna")
        assert harbour.gone() == []

    def test_a_broken_record(self, harbour: Harbour) -> None:
        harbour.run("true", name="anna")
        record = harbour.runtime.find("anna")
        (harbour.root / "containers" / record.id / "state.json").write_bytes(b"{")
        assert harbour.runtime.list(every=True) == []
        harbour.runtime.recover()
        assert harbour.gone() == []
        assert harbour.run("true", name="anna", remove=True).code == 0
