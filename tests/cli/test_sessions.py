"""`run` and `exec` in the foreground: what the container has of its caller, and whatever ends either of them."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from suites.commands import LADING, Lading, busybox
from suites.machine import needs
from suites.patience import PATIENCE, until
from suites.screen import lading_at

pytestmark = needs("root", "overlay", "crun", "conmon", "busybox")

RUN = ("run", "--rm", "--network", "none")


@pytest.fixture(scope="module")
def lading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lading]:
    folder = tmp_path_factory.mktemp("sessions")
    made = Lading(folder / "root")
    made.ok("keygen")
    context = busybox(folder / "context", "COPY passwd /etc/\n")
    (context / "passwd").write_text("root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n")
    made.ok("build", "-q", "-t", "bb", context)
    yield made
    for container in made.ok("ps", "-aq").split():
        made.call("rm", "-fv", container)


@pytest.fixture(scope="module")
def ship(lading: Lading) -> Iterator[str]:
    """A container that runs for as long as it is needed."""
    lading.ok("run", "-d", "--name", "ship", "--network", "none", "bb", "sleep", "100000")
    yield "ship"
    lading.ok("rm", "-f", "ship")


def start(lading: Lading, *words: object, **given: object) -> subprocess.Popen[bytes]:
    """`lading WORDS`, with pipes to what it writes unless something else is given."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **given}
    return subprocess.Popen([LADING, *map(str, words)], env=lading.variables(), **streams)  # type: ignore[call-overload, no-any-return]


def line(child: subprocess.Popen[bytes]) -> bytes:
    assert child.stdout
    return child.stdout.readline()


def inside(lading: Lading, word: str) -> bool:
    """Whether a process whose command line has `word` is in the container."""
    look = 'for p in /proc/[0-9]*; do busybox tr "\\0" " " <$p/cmdline; echo; done'
    return any(word in row and "tr" not in row for row in lading.ok("exec", "ship", "sh", "-c", look).splitlines())


def reached(lading: Lading, name: str, moment: str, child: subprocess.Popen[bytes]) -> bool:
    """Whether the launch of a container has come so far."""
    container = lading.root / "containers" / "names" / name
    if moment == "at once":
        return True
    if moment == "up":
        return line(child) in (b"up\n", b"")
    if not container.is_symlink():
        return False
    record = lading.root / "containers" / os.readlink(container)
    run = Path("/run/lading") / hashlib.sha256(os.fsencode(lading.root)).hexdigest()[:12]
    bundle = run / "containers" / record.name
    files = {"on record": record, "bundled": bundle / "config.json", "monitored": bundle / "conmon.pid"}
    return moment == "named" or {"started": bundle / "pid", **files}[moment].exists()


class TestDescriptors:
    """Whatever the caller has open is not the container's: only pipes, a terminal of its own, the null device."""

    LOOK = "for fd in 0 1 2; do busybox readlink /proc/self/fd/$fd >&2; done; ls /proc/self/fd >&2"

    @pytest.mark.parametrize("verb", ["run", "exec"])
    @pytest.mark.parametrize("flags", [(), ("-i",), ("-t",)])
    def test_of_its_own(self, lading: Lading, ship: str, tmp_path: Path, verb: str, flags: tuple[str, ...]) -> None:
        log = tmp_path / "log"
        log.write_text("older lines that are nobody's business\n")
        words = ["exec", *flags, ship] if verb == "exec" else [*RUN, *flags, "bb"]
        extra = os.open(tmp_path, os.O_RDONLY)
        try:
            os.set_inheritable(extra, True)
            with log.open("a+") as out:
                child = start(
                    lading, *words, "sh", "-c", self.LOOK, stdin=out, stdout=out, stderr=out, pass_fds=(extra,)
                )
                assert child.wait(PATIENCE) == 0
        finally:
            os.close(extra)
        first, *seen = log.read_text().split()[6:]
        seen = [first, *seen]
        assert len(seen) >= 6
        if "-t" in flags:
            assert seen[:3] == ["/dev/pts/0"] * 3
        else:
            assert seen[0].startswith("pipe:") if "-i" in flags else seen[0] == "/dev/null"
            assert [name[:5] for name in seen[1:3]] == ["pipe:"] * 2
        assert seen[3:] == ["0", "1", "2", "3"], "3 is the folder that ls reads"

    @pytest.mark.parametrize("flags", [(), ("-t",)])
    def test_in_the_background(self, lading: Lading, ship: str, tmp_path: Path, flags: tuple[str, ...]) -> None:
        with (tmp_path / "log").open("w+") as out:
            words = ["exec", "-d", *flags, ship, "sh", "-c", f"({self.LOOK}) 2>/seen; busybox mv /seen /look"]
            assert start(lading, *words, stdin=out, stdout=out, stderr=out).wait(PATIENCE) == 0
        until(lambda: lading.call("exec", ship, "cat", "/look").code == 0, "the look around")
        seen = lading.ok("exec", ship, "cat", "/look").split()
        lading.ok("exec", ship, "busybox", "rm", "/look")
        assert seen[0] == "/dev/null"
        assert seen[3:] == ["0", "1", "2", "3"]
        assert (tmp_path / "log").read_text() == ""

    def test_no_terminal_of_the_caller_is_in_reach(self, lading: Lading, ship: str) -> None:
        for words in (["exec", ship], [*RUN, "bb"]):
            with lading_at(lading, *words, "sh", "-c", "echo x 2>&1 >/dev/tty; echo done") as shown:
                assert shown.end() == 0
                assert "can't create /dev/tty" in shown.text
                assert shown.lines[-1] == "done"


class TestBytes:
    @pytest.mark.parametrize("verb", ["run", "exec"])
    def test_all_of_them_pass_as_they_are(self, lading: Lading, ship: str, tmp_path: Path, verb: str) -> None:
        """Both streams are compared; a terminal's worth of odd bytes is among 20 MB of random ones."""
        data = bytes(range(256)) * 64 + random.Random(1).randbytes(20_000_000)
        (tmp_path / "in").write_bytes(data)
        words = ["exec", "-i", ship] if verb == "exec" else [*RUN, "-i", "bb"]
        with (tmp_path / "in").open("rb") as given, (tmp_path / "e").open("wb") as err:
            child = start(lading, *words, "busybox", "tee", "/dev/stderr", stdin=given, stderr=err)
            assert child.stdout
            out = child.stdout.read()
        assert child.wait(PATIENCE) == 0
        assert hashlib.sha256(out).digest() == hashlib.sha256(data).digest()
        assert hashlib.sha256((tmp_path / "e").read_bytes()).digest() == hashlib.sha256(data).digest()

    @pytest.mark.parametrize("verb", ["run", "exec"])
    def test_the_end_of_input_arrives_while_output_goes_on(self, lading: Lading, ship: str, verb: str) -> None:
        words = ["exec", "-i", ship] if verb == "exec" else [*RUN, "-i", "bb"]
        child = start(lading, *words, "sh", "-c", "cat >/dev/null; echo end; read x; echo still", stdin=subprocess.PIPE)
        assert child.communicate(b"some words", timeout=PATIENCE)[0] == b"end\nstill\n"

    @pytest.mark.parametrize("verb", ["run", "exec"])
    def test_who_reads_no_more_input_is_not_waited_for(self, lading: Lading, ship: str, verb: str) -> None:
        words = ["exec", "-i", ship] if verb == "exec" else [*RUN, "-i", "bb"]
        with open("/dev/zero", "rb") as endless:
            child = start(lading, *words, "busybox", "head", "-c", "3", stdin=endless)
            assert child.communicate(timeout=PATIENCE)[0] == bytes(3)
        assert child.returncode == 0

    def test_exec_ends_with_its_process_whoever_still_holds_its_output(self, lading: Lading, ship: str) -> None:
        for flags in ((), ("-t",)):
            assert lading.ok("exec", *flags, ship, "sh", "-c", "sleep 1000 & echo out") == "out"

    def test_a_reader_that_is_slow_gets_everything(self, lading: Lading, ship: str) -> None:
        for words in (["exec", ship], [*RUN, "bb"]):
            child = start(lading, *words, "sh", "-c", "busybox yes 0123456789abcde | busybox head -c 4000000")
            assert child.stdout
            count = 0
            while data := os.read(child.stdout.fileno(), 10_000):
                count += len(data)
                os.sched_yield()
            assert (count, child.wait(PATIENCE)) == (4_000_000, 0)


class TestSignals:
    @pytest.mark.parametrize(("name", "code"), [("TERM", 143), ("INT", 130), ("HUP", 129)])
    def test_exec_ends_with_the_process_that_is_told(self, lading: Lading, ship: str, name: str, code: int) -> None:
        child = start(lading, "exec", ship, "sh", "-c", "echo up; exec sleep 77777")
        assert line(child) == b"up\n"
        child.send_signal(signal.Signals[f"SIG{name}"])
        assert child.wait(PATIENCE) == code
        assert not inside(lading, "77777")

    @pytest.mark.parametrize("verb", ["run", "exec"])
    @pytest.mark.parametrize("number", [10, 12, 14, 15, 18, 20, 23, 28, 37, 64])
    def test_every_signal_that_can_be_passed_is_passed(self, lading: Lading, ship: str, verb: str, number: int) -> None:
        words = ["exec", ship] if verb == "exec" else [*RUN, "bb"]
        script = f"trap 'exit 42' {number}; echo up; while :; do sleep 0.1; done"
        child = start(lading, *words, "sh", "-c", script)
        assert line(child) == b"up\n"
        child.send_signal(number)
        assert child.wait(PATIENCE) == 42

    def test_one_that_is_blocked_in_a_write_passes_them_too(self, lading: Lading) -> None:
        script = "trap 'exit 42' TERM; echo up; busybox yes & while :; do sleep 0.1; done"
        child = start(lading, *RUN, "bb", "sh", "-c", script)
        assert line(child) == b"up\n"
        until(lambda: _blocked(child), "the pipe is full")
        child.terminate()
        # The output that the container left is still to be read.
        assert child.stdout
        while os.read(child.stdout.fileno(), 1 << 16):
            pass
        assert child.wait(PATIENCE) == 42

    def test_kept_from_the_container(self, lading: Lading) -> None:
        script = "trap 'exit 42' TERM; echo up; while :; do sleep 0.1; done"
        child = start(lading, *RUN, "--name", "deaf", "--sig-proxy=false", "bb", "sh", "-c", script)
        assert line(child) == b"up\n"
        child.terminate()
        assert child.wait(PATIENCE) == 143
        assert "deaf" in lading.ok("ps", "--format", "json")
        lading.ok("rm", "-f", "deaf")

    @pytest.mark.parametrize(("name", "code"), [("TERM", 143), ("INT", 130), ("HUP", 129)])
    @pytest.mark.parametrize("flags", [(), ("-it",)])
    def test_while_the_image_is_fetched(self, lading: Lading, name: str, code: int, flags: tuple[str, ...]) -> None:
        """The registry takes the call and never answers."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            words = [*RUN, *flags, "--unsafe-unverified", f"127.0.0.1:{port}/app", "true"]
            with lading_at(lading, *words) as shown:
                call, _ = silent.accept()
                shown.process.send_signal(signal.Signals[f"SIG{name}"])
                assert shown.end() == code
                call.close()

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_while_the_image_is_unpacked(self, lading: Lading, tmp_path: Path, number: int) -> None:
        context = busybox(tmp_path / "context", "COPY many /many\n")
        (context / "many").mkdir()
        for name in range(20_000):
            (context / "many" / str(name)).touch()
        lading.ok("build", "-q", "-t", "many", context)
        lading.ok("save", "-o", f"oci:{tmp_path}/saved", "many")
        other = Lading(tmp_path / "root")
        other.ok("keygen")
        other.ok("load", "-q", "-i", f"oci:{tmp_path}/saved", "-t", "many")
        child = start(other, *RUN, "--unsafe-unverified", "many", "sleep", "1000")
        until(lambda: any(other.root.glob("snapshots/*/fs/many/9*")), "unpacking")
        child.send_signal(number)
        assert child.wait(PATIENCE) == 128 + number
        assert not any(other.root.glob("snapshots/*/fs/many")), "only the layer below, which was done, is left"
        assert other.ok(*RUN, "--unsafe-unverified", "many", "echo", "fine") == "fine"

    @pytest.mark.parametrize("moment", ["at once", "named", "on record", "bundled", "monitored", "started", "up"])
    def test_at_any_moment(self, lading: Lading, moment: str) -> None:
        """It is told until it listens; whatever it was doing, nothing of the container is left."""
        script = "trap 'exit 143' TERM; echo up; while :; do sleep 0.05; done"
        child = start(lading, *RUN, "--name", "moment", "bb", "sh", "-c", script)
        until(lambda: child.poll() is not None or reached(lading, "moment", moment, child), moment)

        def ended() -> bool:
            child.terminate()
            return child.poll() is not None

        until(ended, "the end")
        assert child.stderr
        assert (child.returncode, child.stderr.read()) in ((143, b""), (-signal.SIGTERM, b""))
        assert "moment" not in lading.ok("ps", "-a", "--format", "json")
        assert lading.ok(*RUN, "--name", "moment", "bb", "echo", "free") == "free"

    def test_an_ignored_hangup_stays_ignored(self, lading: Lading) -> None:
        words = ["nohup", LADING, *RUN, "-i", "bb", "sh", "-c", "trap 'exit 42' HUP; echo up; read word; echo $word"]
        child = subprocess.Popen(
            words, env=lading.variables(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert line(child) == b"up\n"
        child.send_signal(signal.SIGHUP)
        assert child.communicate(b"over\n", timeout=PATIENCE)[0] == b"over\n"
        assert child.returncode == 0


def _blocked(child: subprocess.Popen[bytes]) -> bool:
    return "pipe_write" in Path(f"/proc/{child.pid}/wchan").read_text() or "S" in _state(child)


def _state(child: subprocess.Popen[bytes]) -> str:
    return Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0]


class TestOutputGone:
    def test_a_run_that_nobody_reads_is_ended_and_removed(self, lading: Lading) -> None:
        child = start(lading, *RUN, "--name", "talker", "bb", "busybox", "yes")
        assert line(child) == b"y\n"
        assert child.stdout
        child.stdout.close()
        assert child.wait(PATIENCE) == 141
        assert "talker" not in lading.ok("ps", "-a", "--format", "json")
        assert child.stderr
        assert child.stderr.read() == b""

    def test_a_run_that_is_kept_goes_on_and_that_is_said(self, lading: Lading) -> None:
        child = start(
            lading, "run", "--name", "kept", "--network", "none", "bb", "sh", "-c", "while :; do echo y; done"
        )
        assert line(child) == b"y\n"
        assert child.stdout
        child.stdout.close()
        assert child.wait(PATIENCE) == 141
        assert child.stderr
        assert b"container kept goes on" in child.stderr.read()
        assert lading.ok("exec", "kept", "echo", "here") == "here"
        lading.ok("rm", "-f", "kept")

    def test_an_exec_that_nobody_reads_is_ended(self, lading: Lading, ship: str) -> None:
        for flags in ((), ("-t",)):
            child = start(lading, "exec", *flags, ship, "sh", "-c", "while :; do echo 88888; done")
            assert line(child).strip() == b"88888"
            assert child.stdout
            child.stdout.close()
            assert child.wait(PATIENCE) == 141
            until(lambda: not inside(lading, "88888"), "the process is gone")

    def test_a_full_output_is_an_error(self, lading: Lading, ship: str) -> None:
        for words in (["exec", ship], [*RUN, "--name", "full", "bb"]):
            with open("/dev/full", "wb") as full:
                child = start(lading, *words, "sh", "-c", "echo much; exec sleep 99999", stdout=full)
                said = child.communicate(timeout=PATIENCE)[1]
            assert (child.returncode, said) == (125, b"lading: standard output: No space left on device\n")
        assert "full" not in lading.ok("ps", "-a", "--format", "json")
        assert not inside(lading, "99999")


class TestTerminal:
    def test_the_size_of_the_window(self, lading: Lading, ship: str) -> None:
        """An OCI runtime lets the process of an exec go before it sets the first size; programs are told of it."""
        wait = 'until [ "$(busybox stty size 2>/dev/null)" = "%s" ]; do sleep 0.05; done; echo %s'
        script = f"{wait % ('30 100', 'first')}; {wait % ('50 77', 'followed')}"
        for words in (["exec", "-it", ship], [*RUN, "-it", "bb"]):
            with lading_at(lading, *words, "sh", "-c", script, columns=100, rows=30) as shown:
                shown.until("first")
                shown.resize(77, 50)
                shown.until("followed")
                assert shown.end() == 0

    def test_without_a_terminal(self, lading: Lading, ship: str) -> None:
        """As podman has it; -i and -t together are docker's error."""
        for words in (["exec", "-t", ship], [*RUN, "-t", "bb"]):
            assert lading.ok(*words, "busybox", "tty") == "/dev/pts/0"
        for words in (["exec", "-it", ship], [*RUN, "-it", "bb"]):
            assert "not a terminal" in lading.fails(125, *words, "true")

    def test_output_may_go_elsewhere(self, lading: Lading, ship: str, tmp_path: Path) -> None:
        with (
            (tmp_path / "out").open("wb") as out,
            lading_at(lading, "exec", "-it", ship, "busybox", "tty", stdout=out.fileno()) as shown,
        ):
            assert shown.end() == 0
        assert (tmp_path / "out").read_bytes() == b"/dev/pts/0\r\n"

    @pytest.mark.parametrize("flags", [("-it",), ("-i",), ()])
    def test_closed(self, lading: Lading, flags: tuple[str, ...]) -> None:
        """Nothing is left of a container that listens to no signal, and it is not said into the void."""
        with lading_at(
            lading, *RUN, *flags, "--name", "closed", "bb", "sh", "-c", "echo up; exec sleep 100000"
        ) as shown:
            shown.until("up")
            os.close(shown.master)
            shown.master = os.open("/dev/null", os.O_RDONLY)
            assert shown.process.wait(PATIENCE) == 129
        assert "closed" not in lading.ok("ps", "-a", "--format", "json")

    def test_exec_when_it_is_closed(self, lading: Lading, ship: str) -> None:
        with lading_at(lading, "exec", "-it", ship, "sh", "-c", "echo up; exec sleep 66666") as shown:
            shown.until("up")
            os.close(shown.master)
            shown.master = os.open("/dev/null", os.O_RDONLY)
            assert shown.process.wait(PATIENCE) == 129
        until(lambda: not inside(lading, "66666"), "the process is gone")

    def test_keys_that_detach(self, lading: Lading) -> None:
        words = ["run", "-it", "--network", "none", "--name", "left"]
        for keys, typed in ((["--detach-keys", "ctrl-x,y"], b"\x18y"), ([], b"\x10\x11")):
            with lading_at(lading, *words, *keys, "bb", "sh", "-c", "echo up; exec sleep 100000") as shown:
                shown.until("up")
                shown.type(typed)
                assert shown.end() == 0
            (found,) = json.loads(lading.ok("inspect", "left"))
            assert found["State"]["Status"] == "running"
            lading.ok("rm", "-f", "left")

    def test_a_key_that_does_not_exist(self, lading: Lading) -> None:
        for keys in ("ctrl-", "ctrl-ab", "ab", "a,,b"):
            assert "--detach-keys" in lading.fails(125, *RUN, "--detach-keys", keys, "bb", "true")


def test_the_killer_of_an_exec_leaves_a_container_that_works(lading: Lading, ship: str) -> None:
    for flags in ((), ("-t",)):
        child = start(lading, "exec", *flags, ship, "sh", "-c", "echo up; while :; do echo 55555; done")
        line(child)
        child.kill()
        child.communicate()
        until(lambda: not inside(lading, "55555"), "nobody reads it, so it ends")
    assert lading.ok("exec", ship, "echo", "fine") == "fine"


def test_home_is_the_users(lading: Lading, ship: str) -> None:
    for user, home in (("alice", "/home/alice"), ("0", "/root"), ("1000:0", "/home/alice"), ("4711", "/")):
        assert lading.ok("exec", "-u", user, ship, "sh", "-c", "echo $HOME") == home
    assert lading.ok("exec", "-u", "alice", "-e", "HOME=/x", ship, "sh", "-c", "echo $HOME") == "/x"
    lading.ok("run", "-d", "--name", "given", "-e", "HOME=/y", "--network", "none", "bb", "sleep", "1000")
    assert lading.ok("exec", "-u", "alice", "given", "sh", "-c", "echo $HOME") == "/y"
    lading.ok("rm", "-f", "given")
