"""The sandbox of builds."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from lading.build.graph.executor import Executor, ProcessSpec
from lading.runtime.sandbox import Sandbox
from lading.runtime.spec import capabilities
from lading.store.errors import InputError
from lading.store.snapshots.mounts import mount_overlay, unmount
from suites.executor_contract import ExecutorContract, look
from suites.executor_images import Harbour, fill
from suites.machine import needs

pytestmark = needs("root", "overlay", "crun", "busybox")


@pytest.fixture
def executor(harbour: Harbour) -> Executor:
    return Sandbox(harbour.config, None)


@pytest.fixture
def upper(tmp_path: Path) -> Path:
    return tmp_path / "upper"


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    return fill(tmp_path / "lower")


@pytest.fixture
def rootfs(tmp_path: Path, lower: Path, upper: Path) -> Generator[Path, None, None]:
    for folder in (upper, tmp_path / "work", tmp_path / "merged"):
        folder.mkdir()
    mount_overlay([lower], upper, tmp_path / "work", tmp_path / "merged")
    yield tmp_path / "merged"
    unmount(tmp_path / "merged")


class TestSandbox(ExecutorContract):
    def test_hardening(self, executor: Executor, rootfs: Path) -> None:
        out = self.execute(executor, rootfs, "sh", "-c", "grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status")[1]
        assert out.split() == ["CapEff:", "00000000a80425fb", "NoNewPrivs:", "0", "Seccomp:", "2"]
        assert self.execute(executor, rootfs, "mount", "-t", "tmpfs", "x", "/tmp")[0] != 0

    @pytest.mark.parametrize(("path", "target"), [("etc/hosts", "/proc/cpuinfo"), ("proc", "/data"), ("sys", "/data")])
    def test_no_link_leads_a_mount_astray(self, executor: Executor, rootfs: Path, path: str, target: str) -> None:
        place = rootfs / path
        if place.is_dir():
            place.rmdir()
        place.symlink_to(target)
        with pytest.raises(InputError, match=f"/{path}"):
            self.execute(executor, rootfs, "true")

    def test_setuid_programs_work(self, executor: Executor, rootfs: Path) -> None:
        # busybox gives up what setuid gave it, except where an applet is useless without.
        (rootfs / "bin/busybox").chmod(0o4755)
        (rootfs / "etc/passwd").write_text("root::0:0:root:/root:/bin/sh\nsailor:x:1000:1001::/:/bin/sh\n")
        words = ("busybox", "su", "root", "-c", "id -u")
        assert self.execute(executor, rootfs, *words, user="sailor") == (0, "0\n", "")

    def test_device_nodes_are_made_but_open_nothing_of_the_host(self, executor: Executor, rootfs: Path) -> None:
        code, out, err = self.execute(executor, rootfs, "sh", "-c", "mknod /null c 1 3 && echo x > /null && echo made")
        assert (code, out, err) == (0, "made\n", "")
        assert (rootfs / "null").is_char_device()
        assert (rootfs / "null").stat().st_rdev == os.makedev(1, 3)
        script = "mknod /kmsg c 1 11 && mknod /mem c 1 1 && cat /kmsg /mem"
        code, out, err = self.execute(executor, rootfs, "sh", "-c", script)
        assert (code, out, err.count("Operation not permitted")) == (1, "", 2)
        code, _, err = self.execute(executor, rootfs, "mknod", "/console", "c", "5", "1")
        assert code == 1 and "Operation not permitted" in err  # crun would let it be opened

    def test_what_a_step_may_do_is_told(self, executor: Executor, rootfs: Path) -> None:
        held = executor.privileges["capabilities"]
        assert isinstance(held, list)
        bits = sum(1 << capabilities.ALL.index(name) for name in held)
        assert bits == 0xA80425FB  # moby's default set

    def test_nothing_is_left(self, executor: Executor, rootfs: Path, harbour: Harbour) -> None:
        with pytest.raises(ValueError, match="stop"):
            executor.execute(rootfs, ProcessSpec(("sh", "-c", "echo x; sleep 600"), (("PATH", "/bin"),)), _stop)
        assert harbour.gone() == []

    def test_the_upper_folder_holds_what_was_done(
        self, executor: Executor, rootfs: Path, upper: Path, lower: Path
    ) -> None:
        assert self.execute(executor, rootfs, "sh", "-c", "rm /data/link; echo x > /tmp/x")[0] == 0
        files = [name for name, (mode, _, _) in look(upper).items() if not mode & 0o40000]
        assert sorted(files) == ["data/link", "tmp/x"]

    def test_mount_points_that_the_image_lacks(
        self, executor: Executor, rootfs: Path, upper: Path, lower: Path
    ) -> None:
        for folder in ("proc", "dev", "sys"):
            (rootfs / folder).rmdir()
        os.symlink("../run/resolve/stub.conf", rootfs / "etc/resolv.conf")
        before = look(rootfs)
        assert self.execute(executor, rootfs, "sh", "-c", "test -s /etc/resolv.conf && test -d /proc/self")[0] == 0
        assert look(rootfs) == before

    def test_a_link_does_not_lead_the_mounts_out(self, executor: Executor, rootfs: Path, tmp_path: Path) -> None:
        (tmp_path / "outside").mkdir()
        for name in ("passwd", "group"):
            (rootfs / "etc" / name).unlink()
        (rootfs / "etc").rmdir()
        os.symlink(tmp_path / "outside", rootfs / "etc")
        self.execute(executor, rootfs, "true")
        assert list((tmp_path / "outside").iterdir()) == []

    def test_a_killed_build_is_swept(self, rootfs: Path, harbour: Harbour) -> None:
        """With the memory that its secrets lay in."""
        script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pathlib import Path
from lading.build.graph.executor import ExecMount, ProcessSpec
from lading.runtime.sandbox import Sandbox
from lading.runtime.lifecycle.lifecycle import RuntimeConfig
sandbox = Sandbox(RuntimeConfig(Path({str(harbour.root)!r}), Path({str(harbour.run_dir)!r})), None)
mounts = (ExecMount("file", "/run/secrets/a", content=b"x", mode=0o400),)
secrets = (("A", "y"),)
script = "cat /run/secrets/a && echo ready$A; sleep 600"
process = ProcessSpec(("sh", "-c", script), (("PATH", "/bin"),), mounts=mounts, secrets=secrets)
sandbox.execute(Path({str(rootfs)!r}), process, lambda data, stream: print("ready", flush=True))
"""
        child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        assert child.stdout
        assert child.stdout.readline() == b"ready\n"
        harbour.runtime.recover()
        assert len(list((harbour.run_dir / "sandboxes").iterdir())) == 1
        assert _memory(harbour)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        harbour.runtime.recover()
        assert harbour.gone() == []
        assert not _memory(harbour)


def _memory(harbour: Harbour) -> list[str]:
    """What is mounted in the run folder."""
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(harbour.run_dir) in line]


def _stop(data: bytes, stream: str) -> None:
    raise ValueError("stop")


def test_nothing_but_a_build_is_handed_it() -> None:
    """`lading.runtime.sandbox` is named in one place: where host puts a build's tools together."""
    top = Path(__file__).parents[2]
    naming: set[str] = set()
    for file in top.glob("*/lading/**/*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
            elif isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
            else:
                continue
            if "lading.runtime.sandbox" in names:
                naming.add(str(file.relative_to(top)))
    assert naming == {"host/lading/host/isolation/step_executors.py"}
