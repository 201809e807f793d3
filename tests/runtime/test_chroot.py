"""Steps in a changed root folder."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lading.build.graph.executor import ExecMount, Executor
from lading.runtime.chroot.chroot_sandbox import ChrootSandbox
from lading.store.errors import InputError
from lading.store.snapshots.mounts import mount_overlay, unmount
from suites.executor_contract import ExecutorContract, look
from suites.executor_images import fill
from suites.machine import needs
from suites.patience import until

DENIED = "unshare: unshare(0x20000): Operation not permitted\n"

pytestmark = needs("root", "busybox", "overlay")


@pytest.fixture
def executor() -> Executor:
    return ChrootSandbox()


@pytest.fixture(params=["a folder", "a mount"])
def rootfs(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Path, None, None]:
    folder = fill(tmp_path / "fs")
    if request.param == "a folder":
        yield folder
        return
    for name in ("upper", "work", "merged"):
        (tmp_path / name).mkdir()
    mount_overlay([folder], tmp_path / "upper", tmp_path / "work", tmp_path / "merged")
    yield tmp_path / "merged"
    unmount(tmp_path / "merged")


class TestChroot(ExecutorContract):
    has_namespaces = False

    def test_a_tree_without_the_usual_places_stays_so(self, executor: Executor, rootfs: Path) -> None:
        for name in ("proc", "dev", "sys"):
            (rootfs / name).rmdir()
        before = look(rootfs)
        assert self.execute(executor, rootfs, "sh", "-c", "test -s /etc/hosts && test -c /dev/null")[0] == 0
        assert look(rootfs) == before

    def test_what_a_step_may_do_is_told(self, executor: Executor, rootfs: Path) -> None:
        held = executor.privileges["capabilities"]
        assert isinstance(held, list)
        script = "unshare -m true; chroot / true && mknod /tmp/n c 1 3 && echo $?"
        assert self.execute(executor, rootfs, "sh", "-c", script)[1:] == ("0\n", DENIED)
        assert "CAP_SYS_ADMIN" not in held

    def test_a_size_of_shared_memory_is_refused(self, executor: Executor, rootfs: Path) -> None:
        with pytest.raises(InputError, match="shm"):
            self.execute(executor, rootfs, "true", shm_size=1 << 20)

    def test_sockets_of_this_machine_need_no_network(self, executor: Executor, rootfs: Path) -> None:
        out = self.execute(executor, rootfs, "ip", "link", network="none")
        assert out[0] != 0 and "Operation not permitted" in out[2]
        assert self.execute(executor, rootfs, "id", "-u", network="none", user="sailor")[1] == "1000\n"

    def test_a_link_in_the_place_of_a_cache_is_not_kept_as_one(
        self, executor: Executor, rootfs: Path, tmp_path: Path
    ) -> None:
        """The number of the folder that a step removes is often the next link's."""
        mounts = (ExecMount("bind", "/cache", str(tmp_path / "cache"), readonly=False),)
        for _ in range(8):
            (tmp_path / "cache").mkdir(exist_ok=True)
            self.execute(executor, rootfs, "sh", "-c", "rm -rf /cache; ln -s /etc /cache", mounts=mounts)
            assert not (tmp_path / "cache").is_symlink() and not list((tmp_path / "cache").iterdir())

    def test_another_name_of_a_secret_keeps_nothing(self, executor: Executor, rootfs: Path) -> None:
        mounts = (ExecMount("file", "/run/token", content=b"s3cret", mode=0o400),)
        script = "ln /run/token /linked && mv /run/token /moved && cat /linked"
        assert self.execute(executor, rootfs, "sh", "-c", script, mounts=mounts)[:2] == (0, "s3cret")
        assert (rootfs / "linked").read_bytes() == (rootfs / "moved").read_bytes() == b""

    def test_what_a_build_was_killed_in_keeps_no_secret_and_no_process(self, rootfs: Path) -> None:
        """The keeper sees its builder die, ends the step and takes out what no disk should keep."""
        script = f"""
from pathlib import Path
from lading.build.graph.executor import ExecMount, ProcessSpec
from lading.runtime.chroot.chroot_sandbox import ChrootSandbox
mounts = (ExecMount("file", "/run/token", content=b"s3cret", mode=0o400),)
step = ProcessSpec(("sh", "-c", "cat /run/token; echo; sleep 62"), (("PATH", "/bin"),), mounts=mounts)
ChrootSandbox().execute(Path({str(rootfs)!r}), step, lambda data, stream: print("ready", flush=True))
"""
        child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        assert child.stdout
        assert child.stdout.readline() == b"ready\n"
        assert (rootfs / "run/token").read_bytes() == b"s3cret"
        child.send_signal(signal.SIGKILL)
        child.communicate()
        until(lambda: not (rootfs / "run/token").exists(), "the end of the secret")
        assert not [words for words in command_lines() if b"sleep\x0062" in words]


def command_lines() -> Iterator[bytes]:
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            yield (entry / "cmdline").read_bytes()
