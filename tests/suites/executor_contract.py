"""What every executor of build steps owes, whatever isolates them. Subclass it and give `executor` and `rootfs`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import pytest

from lading.build.graph.executor import Executor, ProcessSpec
from lading.build.graph.halt import Halt
from lading.store.errors import MachineError


class Written:
    """Collects what a step writes."""

    def __init__(self) -> None:
        self.chunks: list[tuple[bytes, str]] = []

    def __call__(self, data: bytes, stream: Literal["stdout", "stderr"]) -> None:
        self.chunks.append((data, stream))

    def text(self, stream: str = "stdout") -> str:
        return b"".join(data for data, name in self.chunks if name == stream).decode()


def look(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything below a folder, without following links or crossing mounts."""
    found: dict[str, tuple[int, int, bytes]] = {}
    for here, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(here, name)
            info = path.lstat()
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            found[str(path.relative_to(folder))] = (info.st_mode, info.st_uid, content)
    return found


class ExecutorContract:
    """Fixtures: `executor`, and `rootfs`, a mounted writable copy of `executor_images.fill`."""

    def execute(self, executor: Executor, rootfs: Path, *argv: str, **options: object) -> tuple[int, str, str]:
        written = Written()
        options.setdefault("env", (("PATH", "/bin"),))
        code = executor.execute(rootfs, ProcessSpec(argv, **options), written)  # type: ignore[arg-type]
        return code, written.text(), written.text("stderr")

    def test_streams_and_code(self, executor: Executor, rootfs: Path) -> None:
        found = self.execute(executor, rootfs, "sh", "-c", "echo out; echo err >&2; exit 3")
        assert found == (3, "out\n", "err\n")

    def test_changes_stay_and_nothing_else(self, executor: Executor, rootfs: Path) -> None:
        before = look(rootfs)
        assert self.execute(executor, rootfs, "sh", "-c", "echo x > /made; cat /etc/hosts /etc/resolv.conf")[0] == 0
        after = look(rootfs)
        assert after.pop("made")[2] == b"x\n"
        assert after == before

    def test_environment_is_as_given(self, executor: Executor, rootfs: Path) -> None:
        out = self.execute(executor, rootfs, "env", env=(("PATH", "/bin"), ("A", "b c")))[1]
        assert set(out.splitlines()) == {"PATH=/bin", "A=b c", "HOME=/root"}

    def test_user_folder_and_name(self, executor: Executor, rootfs: Path) -> None:
        script = "id -u; id -g; pwd; hostname; echo $HOME"
        out = self.execute(executor, rootfs, "sh", "-c", script, user="sailor", cwd="/data/deep", hostname="yard")[1]
        assert out.split() == ["1000", "1001", "/data/deep", "yard", "/home/sailor"]

    def test_input(self, executor: Executor, rootfs: Path) -> None:
        assert self.execute(executor, rootfs, "wc", "-c")[1].strip() == "0"
        assert self.execute(executor, rootfs, "cat", stdin=b"given")[1] == "given"

    def test_a_program_that_is_not_there(self, executor: Executor, rootfs: Path) -> None:
        assert self.execute(executor, rootfs, "nope")[0] == 127
        assert self.execute(executor, rootfs, "/bin/plain")[0] == 126

    def test_lines_come_whole(self, executor: Executor, rootfs: Path) -> None:
        written = Written()
        script = "printf a; sleep 0.1; printf 'b\\nc'; sleep 0.1; printf d"
        executor.execute(rootfs, ProcessSpec(("sh", "-c", script), (("PATH", "/bin"),)), written)
        assert [data for data, _ in written.chunks] == [b"ab\n", b"cd"]

    def test_much_output(self, executor: Executor, rootfs: Path) -> None:
        assert len(self.execute(executor, rootfs, "sh", "-c", "yes | head -n 500000")[1]) == 1_000_000
        assert len(self.execute(executor, rootfs, "sh", "-c", "yes | tr -d '\\n' | head -c 300000")[1]) == 300_000

    def test_an_exception_kills_it(self, executor: Executor, rootfs: Path) -> None:
        def stop(data: bytes, stream: str) -> None:
            raise KeyboardInterrupt

        script = "echo go; sleep 60; touch /late"
        with pytest.raises(KeyboardInterrupt):
            executor.execute(rootfs, ProcessSpec(("sh", "-c", script), (("PATH", "/bin"),)), stop)
        assert not (rootfs / "late").exists()

    @pytest.mark.parametrize("quiet", ["", "exec >&- 2>&-; "])
    def test_a_halt_ends_it(self, executor: Executor, rootfs: Path, quiet: str) -> None:
        halt = Halt()

        def give(data: bytes, stream: str) -> None:
            halt.give()

        process = ProcessSpec(("sh", "-c", f"echo go; {quiet}sleep 60; touch /late"), (("PATH", "/bin"),))
        with pytest.raises(MachineError):
            executor.execute(rootfs, process, give, halt.descriptor)
        assert not (rootfs / "late").exists()

    def test_no_process_outlives_it(self, executor: Executor, rootfs: Path) -> None:
        assert self.execute(executor, rootfs, "sh", "-c", "(sleep 61; touch /late) & exit 0")[0] == 0
        for entry in Path("/proc").iterdir():
            try:
                assert b"sleep\x0061" not in (entry / "cmdline").read_bytes()
            except OSError:
                continue

    def test_no_network(self, executor: Executor, rootfs: Path) -> None:
        out = self.execute(executor, rootfs, "sh", "-c", "ip -o link | wc -l", network="none")[1]
        assert out.strip() == "1"
