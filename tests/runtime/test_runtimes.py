"""The same containers under the other OCI runtime, and with what a machine may lack."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lading.runtime.cgroups.groups import Cgroups, ResourceLimits
from lading.runtime.lifecycle.lifecycle import Lifecycle, RuntimeConfig
from lading.runtime.oci.oci_runtime import StartError, start_error
from lading.runtime.options import Nobody, Streams
from lading.runtime.process.execs import ExecOptions
from lading.runtime.spec import seccomp_bpf
from lading.runtime.spec.seccomp import profile
from lading.store.errors import MachineError
from suites.executor_images import Harbour
from suites.machine import needs
from suites.patience import until

inside = needs("root", "overlay", "crun", "conmon", "busybox")


@needs("root", "overlay", "runc", "conmon", "busybox")
class TestRunc:
    @pytest.fixture
    def harbour(self, tmp_path: Path) -> Harbour:
        (tmp_path / "run").mkdir()
        return Harbour(tmp_path / "root", tmp_path / "run", oci="runc")

    def test_a_life(self, harbour: Harbour) -> None:
        out = harbour.run("sh", "-c", "grep Seccomp: /proc/self/status; exit 3", remove=True)
        assert (out.stdout.split(), out.code) == (["Seccomp:", "2"], 3)
        harbour.start("sleep", "600", name="anna", limits=ResourceLimits(memory=32 << 20, pids=50))
        assert harbour.runtime.execute("anna", ExecOptions(("sh", "-c", "exit 4")), Streams(None)) == 4
        self._exec(harbour)
        harbour.runtime.stop("anna", 0)
        harbour.runtime.remove("anna")
        for command, code in (("nope", 127), ("/bin/plain", 126)):
            with pytest.raises(StartError) as caught:
                harbour.run(command)
            assert caught.value.code == code
        assert harbour.gone() == []

    def _exec(self, harbour: Harbour) -> None:
        """Streams of its own, its terminal's size, and the signals that it is passed."""
        out = (harbour.root.parent / "out").open("w+b")
        sized = 'until [ "$(stty size 2>/dev/null)" = "30 100" ]; do sleep 0.05; done'
        look = f"for fd in 0 1 2; do readlink /proc/self/fd/$fd; done; {sized}; ls /proc/self/fd"
        streams = Streams(None, out.fileno(), out.fileno(), size=lambda: (30, 100))
        harbour.runtime.execute("anna", ExecOptions(("sh", "-c", look), tty=True), streams)
        out.seek(0)
        assert out.read().split() == [*[b"/dev/pts/0"] * 3, b"0", b"1", b"2", b"3"]

        class Caller(Nobody):
            @contextmanager
            def lend(self, receiver: Callable[[int], None]) -> Generator[None, None, None]:
                timer = threading.Thread(target=self.send, args=(receiver,))
                timer.start()
                yield
                timer.join()

            def send(self, receiver: Callable[[int], None]) -> None:
                until(lambda: b"up" in (harbour.root.parent / "told").read_bytes())
                receiver(signal.SIGUSR1)

        told = (harbour.root.parent / "told").open("w+b")
        script = ("sh", "-c", "trap 'exit 9' USR1; echo up; while :; do sleep 0.05; done")
        given = Streams(None, told.fileno(), told.fileno(), Caller())
        assert harbour.runtime.execute("anna", ExecOptions(script), given) == 9


@inside
class TestWithout:
    def test_flock(self, harbour: Harbour, monkeypatch: pytest.MonkeyPatch) -> None:
        """Then the monitor starts Python at once, and two clean up at the same time."""
        from lading.runtime.process import monitor

        monkeypatch.setattr(monitor, "FLOCK", "/nonexistent/flock")
        for _ in range(3):
            assert harbour.run("echo", "x", remove=True).stdout == "x\n"
            assert harbour.run("sh", "-c", "exit 4").code == 4
        for record in harbour.runtime.list(every=True):
            assert record.exit_code == 4
            harbour.runtime.remove(record.id)
        assert harbour.gone() == []

    def test_a_short_run_folder(self, harbour: Harbour) -> None:
        config = RuntimeConfig(harbour.root, Path("/tmp") / ("x" * 100))
        with pytest.raises(MachineError, match="sockets"):
            Lifecycle(config, lambda: harbour.store, None)

    def test_conmon(self, harbour: Harbour, monkeypatch: pytest.MonkeyPatch) -> None:
        from lading.runtime.oci import processes

        _ = harbour.runtime
        with monkeypatch.context() as patch:
            patch.setattr(processes, "PATH", "/nonexistent")
            with pytest.raises(MachineError, match="not installed"):
                harbour.run("true")

    def test_libseccomp(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def nothing(*_: object, **__: object) -> object:
            raise OSError

        monkeypatch.setattr(seccomp_bpf.ctypes, "CDLL", nothing)
        assert seccomp_bpf.compiled(profile(()), b"x", tmp_path) is None


@inside
def test_a_filter_is_kept(harbour: Harbour) -> None:
    harbour.run("true", remove=True)
    kept = list((harbour.root / "filters").iterdir())
    assert len(kept) == 1


@inside
def test_many_at_once(harbour: Harbour) -> None:
    verdicts = [harbour.verdict() for _ in range(8)]
    harbour.run("true", remove=True)
    codes: list[int | None] = []

    def one(number: int) -> None:
        from lading.runtime.options import RunOptions

        null = os.open("/dev/null", os.O_RDWR)
        options = RunOptions("busybox", ("sh", "-c", f"exit {number}"), network="none", remove=True)
        codes.append(harbour.runtime.run(verdicts[number], options, Streams(None, null, null)).exit_code)
        os.close(null)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(code for code in codes if code is not None) == list(range(8))
    assert harbour.gone() == []


class TestCgroups:
    """On folders that look like the other layouts; the true one is tried by every container here."""

    def test_unified(self, tmp_path: Path) -> None:
        (tmp_path / "cgroup.controllers").write_text("cpu memory pids hugetlb\n")
        (tmp_path / "cgroup.subtree_control").write_text("")
        found = Cgroups.detect(tmp_path)
        assert found.mode == "unified"
        found.prepare()
        assert (tmp_path / "cgroup.subtree_control").read_text() == "+pids"
        (tmp_path / "lading/cgroup.controllers").write_text("cpu memory pids")
        (tmp_path / "lading/memory.swap.max").write_text("max")
        resources = found.resources(ResourceLimits(1 << 30, 1.5, 100))
        assert resources["memory"] == {"limit": 1 << 30, "swap": 2 << 30}
        assert resources["cpu"] == {"quota": 150_000, "period": 100_000}
        assert resources["pids"] == {"limit": 100}
        (tmp_path / "lading/x").mkdir()
        (tmp_path / "lading/x/memory.events").write_text("low 0\noom 2\noom_kill 1\n")
        assert found.killed_for_memory("x")
        (tmp_path / "lading/x/memory.events").unlink()
        assert not found.killed_for_memory("x")
        found.remove("x")
        assert not (tmp_path / "lading/x").exists()

    def test_a_limit_that_cannot_be_enforced(self, tmp_path: Path) -> None:
        (tmp_path / "cgroup.controllers").write_text("cpu\n")
        found = Cgroups.detect(tmp_path)
        for limits, option in (
            (ResourceLimits(memory=1 << 30), "memory"),
            (ResourceLimits(cpus=1.0), "cpus"),
            (ResourceLimits(pids=1), "pids"),
        ):
            with pytest.raises(MachineError, match=f"^{option}"):
                found.resources(limits)

    def test_legacy_and_hybrid_and_none(self, tmp_path: Path) -> None:
        with pytest.raises(MachineError, match="no control groups"):
            Cgroups.detect(tmp_path)
        (tmp_path / "memory").mkdir()
        assert Cgroups.detect(tmp_path).mode == "legacy"
        (tmp_path / "unified").mkdir()
        (tmp_path / "unified/cgroup.controllers").write_text("")
        assert Cgroups.detect(tmp_path).mode == "hybrid"
        Cgroups.detect(tmp_path).prepare()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("executable file `/nope` not found in $PATH: No such file or directory", 127),
        (
            'runc create failed: unable to start container process: exec: "nope": executable file not found in $PATH',
            127,
        ),
        ('unable to start container process: exec: "/nope": stat /nope: no such file or directory', 127),
        ("read FD: connection closed", 127),
        ("open executable: Permission denied", 126),
        ("open executable: Operation not permitted", 126),
        ('unable to start container process: exec: "/etc": permission denied', 126),
        ("exec container process `/badfmt`: Exec format error", 126),
        ("chdir `/nope`: No such file or directory", 127),
        ("chdir `/bin/plain`: Not a directory", 125),
        (
            'exec failed: unable to start: chdir to cwd ("/x") set in config.json failed: not a directory',
            125,
        ),
        ("mount `/x` to `/y`: No such file or directory", 125),
        ("setrlimit `RLIMIT_NOFILE`: Operation not permitted", 125),
        ("", 125),
    ],
)
def test_words_of_the_runtimes(text: str, code: int) -> None:
    assert start_error(text, "prog").code == code
