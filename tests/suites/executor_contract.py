"""What every executor of build steps owes, whatever isolates them. Subclass it and give `executor` and `rootfs`."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Literal

import pytest

from lading.build.graph.executor import ExecMount, Executor, ProcessSpec
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
    """Fixtures: `executor`, and `rootfs`, a writable copy of `executor_images.fill`."""

    has_namespaces = True
    """Whether it gives a step a host name, and a table of processes, of its own."""

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

    def test_user_and_folder(self, executor: Executor, rootfs: Path) -> None:
        script = "id -u; id -g; id -G; pwd; echo $HOME"
        out = self.execute(executor, rootfs, "sh", "-c", script, user="sailor", cwd="/data/deep")[1]
        assert out.split() == ["1000", "1001", "1001", "1002", "1003", "/data/deep", "/home/sailor"]

    def test_host_names(self, executor: Executor, rootfs: Path) -> None:
        script = "hostname; cat /etc/hosts"
        options = {"hostname": "yard", "hosts": (("mirror", "192.0.2.7"),)}
        name, *hosts = self.execute(executor, rootfs, "sh", "-c", script, **options)[1].splitlines()
        assert {"127.0.1.1\tyard", "192.0.2.7\tmirror"} <= set(hosts)
        assert (name == "yard") is self.has_namespaces

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
        seconds = str(10**9 + secrets.randbelow(10**9))  # nobody else's
        assert self.execute(executor, rootfs, "sh", "-c", f"(sleep {seconds}; touch /late) & exit 0")[0] == 0
        for entry in Path("/proc").iterdir():
            try:
                assert seconds.encode() not in (entry / "cmdline").read_bytes()
            except OSError:
                continue

    @pytest.mark.parametrize("network", ["none", "host"])
    def test_networks(self, executor: Executor, rootfs: Path, network: str) -> None:
        with ThreadingTCPServer(("127.0.0.1", 0), _Greeting) as server:
            Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            port = str(server.server_address[1])
            out = self.execute(executor, rootfs, "nc", "127.0.0.1", port, network=network)[1]
            server.shutdown()
        assert out == ("hello\n" if network == "host" else "")

    def test_limits(self, executor: Executor, rootfs: Path) -> None:
        script = "ulimit -Sn; ulimit -Hn; umask"
        out = self.execute(executor, rootfs, "sh", "-c", script, ulimits=(("nofile", 64, 128),))[1]
        assert out.split() == ["64", "128", "0022"]

    def test_exit_codes(self, executor: Executor, rootfs: Path) -> None:
        for script, code in (("exit 0", 0), ("exit 255", 255), ("sh -c 'kill -KILL $$'; exit $?", 137)):
            assert self.execute(executor, rootfs, "sh", "-c", script)[0] == code

    def test_variables_that_reach_no_disk(self, executor: Executor, rootfs: Path) -> None:
        given = (("TOKEN", "tok en"),)
        assert self.execute(executor, rootfs, "sh", "-c", 'echo "$TOKEN"', secrets=given)[1] == "tok en\n"

    def test_a_folder_that_is_only_read(self, executor: Executor, rootfs: Path, tmp_path: Path) -> None:
        source = _folder(tmp_path / "source")
        mounts = (ExecMount("bind", "/data/deep", str(source), readonly=True),)
        before = look(rootfs), look(source)
        script = "cat /data/deep/in/file; ls /data/deep; echo x > /data/deep/new"
        assert self.execute(executor, rootfs, "sh", "-c", script, mounts=mounts)[1] == "given\nin\n"
        assert (look(rootfs), look(source)) == before

    def test_a_folder_that_is_written_to(self, executor: Executor, rootfs: Path, tmp_path: Path) -> None:
        source, before = _folder(tmp_path / "source"), look(rootfs)
        mounts = (ExecMount("bind", "/var/cache/kept", str(source)),)
        script = "rm /var/cache/kept/in/file && echo new > /var/cache/kept/new"
        assert self.execute(executor, rootfs, "sh", "-c", script, mounts=mounts)[0] == 0
        assert sorted(look(source)) == ["in", "new"]
        assert look(rootfs) == before

    def test_a_file_that_is_bound(self, executor: Executor, rootfs: Path, tmp_path: Path) -> None:
        (tmp_path / "one").write_text("one")
        before = look(rootfs)
        mounts = (ExecMount("bind", "/data/deep/file", str(tmp_path / "one"), readonly=True),)
        assert self.execute(executor, rootfs, "cat", "/data/deep/file", mounts=mounts)[1] == "one"
        assert look(rootfs) == before

    def test_memory(self, executor: Executor, rootfs: Path) -> None:
        before = look(rootfs)
        mounts = (ExecMount("tmpfs", "/data/deep"), ExecMount("tmpfs", "/scratch"))
        script = (
            "ls -A /data/deep /scratch; echo x > /data/deep/x && echo x > /scratch/x; stat -c %a /data/deep /scratch"
        )
        code, out, _ = self.execute(executor, rootfs, "sh", "-c", script, mounts=mounts)
        assert (code, out.split()) == (0, ["/data/deep:", "/scratch:", "755", "1777"])
        assert look(rootfs) == before

    @pytest.mark.parametrize("target", ["/run/secrets/token", "/data/deep/file", "/data/link", "/etc/hosts"])
    def test_a_secret_is_there_and_gone(self, executor: Executor, rootfs: Path, target: str) -> None:
        before = look(rootfs)
        mounts = (ExecMount("file", target, content=b"s3cret", uid=1000, gid=1001, mode=0o400),)
        script = f"cat {target}; stat -L -c ' %u %g %a' {target}"
        assert self.execute(executor, rootfs, "sh", "-c", script, mounts=mounts)[1] == "s3cret 1000 1001 400\n"
        assert look(rootfs) == before

    @pytest.mark.parametrize(
        "script",
        ["rm -rf /run", "mv /run /elsewhere", "rm -rf /run; ln -s /data /run", "rm -f /run/token; mkdir /run/token"],
    )
    def test_whatever_a_step_does_no_secret_stays(self, executor: Executor, rootfs: Path, script: str) -> None:
        mounts = (ExecMount("file", "/run/token", content=b"s3cret", mode=0o400),)
        self.execute(executor, rootfs, "sh", "-c", script, mounts=mounts)
        assert not [name for name, (_, _, content) in look(rootfs).items() if b"s3cret" in content]
        assert (rootfs / "data/deep/file").read_text() == "from the image\n"

    def test_an_agent(self, executor: Executor, rootfs: Path, tmp_path: Path) -> None:
        before = look(rootfs)
        with socket.socket(socket.AF_UNIX) as agent:
            agent.bind(str(tmp_path / "agent"))
            agent.listen()
            mounts = (ExecMount("agent", "/run/agent.sock", str(tmp_path / "agent"), uid=1000, gid=1001, mode=0o600),)
            script = "test -S /run/agent.sock && stat -c '%u %g %a' /run/agent.sock"
            assert self.execute(executor, rootfs, "sh", "-c", script, mounts=mounts)[1] == "1000 1001 600\n"
        assert look(rootfs) == before

    def test_a_place_within_a_place(self, executor: Executor, rootfs: Path, tmp_path: Path) -> None:
        source, before = _folder(tmp_path / "source"), look(rootfs)
        mounts = (
            ExecMount("file", "/job/in/token", content=b"token", mode=0o444),
            ExecMount("bind", "/job", str(source)),
        )
        script = "cat /job/in/token /job/in/file; echo x > /job/x"
        assert self.execute(executor, rootfs, "sh", "-c", script, mounts=mounts)[1] == "tokengiven\n"
        assert (source / "x").exists()
        assert b"token" not in {content for _, _, content in look(source).values()}
        assert look(rootfs) == before

    def test_null_takes_everything(self, executor: Executor, rootfs: Path) -> None:
        script = "echo x > /dev/null && cat /dev/null && head -c 3 /dev/zero | wc -c && test -d /dev/shm"
        assert self.execute(executor, rootfs, "sh", "-c", script)[:2] == (0, "3\n")


class _Greeting(StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"hello\n")


def _folder(folder: Path) -> Path:
    (folder / "in").mkdir(parents=True)
    (folder / "in/file").write_text("given\n")
    return folder
