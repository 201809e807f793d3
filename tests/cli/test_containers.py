"""Containers as a user of the command line has them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from suites.commands import LADING, Lading, busybox, context
from suites.machine import needs
from suites.patience import PATIENCE, until
from suites.registry_peers import free_port
from suites.screen import lading_at

pytestmark = needs("root", "overlay", "crun", "conmon", "nft", "ip", "busybox")


@pytest.fixture(scope="module")
def lading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lading]:
    folder = tmp_path_factory.mktemp("containers")
    made = Lading(folder / "root")
    made.ok("keygen")
    made.ok("build", "-q", "-t", "bb", busybox(folder / "context", "VOLUME /data\n"))
    yield made
    for container in made.ok("ps", "-aq").split():
        made.call("rm", "-fv", container)


@pytest.mark.parametrize("network", ["none", "default", "host"])
def test_output_and_exit_code_are_the_commands_own(lading: Lading, network: str) -> None:
    said = lading.call("run", "--rm", "--network", network, "bb", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (said.code, said.out, said.err) == (7, "out\n", "err\n")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (127, ["bb", "nothing"]),
        (126, ["bb", "/data"]),
        (125, ["--entrypoint", "", "nothing-here", "x"]),
        (125, ["bb:nope"]),
    ],
)
def test_what_cannot_be_run(lading: Lading, code: int, words: list[str]) -> None:
    lading.fails(code, "run", "--rm", "--pull", "never", "--network", "none", *words)


@pytest.mark.parametrize("words", [["run", "--rm", "--network", "none", "bb", "sh", "-c", "exit 7"], ["build", "."]])
def test_a_caller_that_ignores_how_children_end(lading: Lading, tmp_path: Path, words: list[str]) -> None:
    """The kernel keeps no exit codes of a process that ignores SIGCHLD, which its children inherit."""
    context(tmp_path, "FROM bb\nRUN exit 7\n")
    done = subprocess.run(
        [LADING, *words],
        env=lading.variables(),
        cwd=tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == (7 if words[0] == "run" else 1), done.stderr
    assert b"No child" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["bb", "echo", "\udcff"],
        ["-h", "\udcff", "bb"],
        ["-e", "A=\udcff", "bb"],
        ["-l", "a=\udcff", "bb"],
        ["-w", "/\udcff", "bb"],
        ["-u", "\udcff", "bb"],
        ["-v", "./\udcff:/x", "bb"],
        ["--tmpfs", "/\udcff", "bb"],
        ["--entrypoint", "\udcff", "bb"],
    ],
)
def test_bytes_that_no_configuration_can_hold(lading: Lading, words: list[str]) -> None:
    assert "a container can be given only UTF-8" in lading.fails(125, "run", "--rm", *words)


def test_an_exec_gives_a_program_no_other_bytes_than_those_it_was_given(lading: Lading) -> None:
    lading.ok("run", "-d", "--name", "bytes", "--network", "none", "bb", "sleep", "600")
    for words in (["bytes", "echo", "\udcff"], ["-e", "A=\udcff", "bytes", "env"]):
        assert "a container can be given only UTF-8" in lading.fails(125, "exec", *words)
    lading.ok("rm", "-f", "bytes")


def test_a_root_whose_name_no_configuration_can_hold(lading: Lading, tmp_path: Path) -> None:
    root = tmp_path / "\udcff"
    lading.ok("--root", root, "keygen")
    words = ("build", context(tmp_path / "context", "FROM scratch\nENV A=b\n"))
    assert "not UTF-8" in lading.fails(1, "--root", root, *words)


@pytest.mark.parametrize("words", [["run", "-v", "./x:/x", "bb"], ["save", "bb", "-o", "x"], ["load", "-i", "x"]])
def test_a_current_folder_that_is_gone(lading: Lading, tmp_path: Path, words: list[str]) -> None:
    shell = ["sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', tmp_path, LADING, *words]
    done = subprocess.run(shell, env=lading.variables(), capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.stderr == "lading: the current folder is gone\n"


def test_standard_input(lading: Lading) -> None:
    said = lading.call("run", "--rm", "-i", "--network", "none", "bb", "cat", stdin="piped\n")
    assert (said.code, said.out) == (0, "piped\n")


def test_options_reach_the_container(lading: Lading, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("from the host\n")
    said = lading.ok(
        "run", "--rm", "--network", "none", "-e", "GREETING=hello", "-w", "/data", "-h", "box",
        "-v", f"{tmp_path}:/host:ro", "--read-only", "--entrypoint", "/bin/sh", "bb",
        "-c", "echo $GREETING $PWD $HOSTNAME; cat /host/file; touch /x 2>&1; touch /host/y 2>&1; true",
    )  # fmt: skip
    assert said.splitlines()[:2] == ["hello /data box", "from the host"]
    assert said.count("Read-only file system") == 2
    assert lading.ok("run", "--rm", "--network", "none", "-u", "1000:1001", "bb", "id", "-u") == "1000"


def test_a_life(lading: Lading) -> None:
    container = lading.ok("run", "-d", "--name", "life", "--network", "none", "bb", "sh", "-c", "echo begun; sleep 600")
    assert lading.ok("ps", "-q") == container[:12]
    assert lading.ok("logs", "life") == "begun"
    assert lading.ok("exec", "life", "echo", "inside") == "inside"
    assert lading.call("exec", "life", "sh", "-c", "exit 9").code == 9
    lading.fails(125, "run", "-d", "--name", "life", "--network", "none", "bb", "true")
    lading.fails(1, "rm", "life")
    (shown,) = json.loads(lading.ok("inspect", "life"))
    assert (shown["Id"], shown["State"]["Status"], shown["Name"]) == (container, "running", "/life")
    lading.ok("stop", "-t", "0", "life")
    assert lading.ok("wait", "life") == "137"
    assert "Exited (137)" in lading.ok("ps", "-a")
    lading.fails(125, "exec", "life", "true")
    lading.ok("rm", "life")
    lading.fails(1, "logs", "life")


def test_a_line_of_the_log_has_one_time_however_it_was_written(lading: Lading) -> None:
    told = "until [ -e /go ]; do sleep 0.05; done"
    script = f"printf a; {told}; echo b; head -c 40000 /dev/zero | tr '\\0' q; echo; echo >&2 end"
    container = lading.ok("run", "-d", "--network", "none", "bb", "sh", "-c", script)
    log = lading.root / "containers" / container / "log"
    until(lambda: b" P a" in log.read_bytes(), "the first half of a line")
    lading.ok("exec", container, "touch", "/go")
    lading.ok("wait", container)
    shown = lading.call("logs", "-t", "--tail", "-1", container)
    assert [line.split(" ", 1)[1] for line in shown.out.splitlines()] == ["ab", "q" * 40000]
    assert [line.split(" ", 1)[1] for line in shown.err.splitlines()] == ["end"]
    lading.fails(2, "logs", "--tail", "few", container)
    lading.ok("rm", container)


def test_templates_that_scripts_for_docker_use(lading: Lading) -> None:
    port = str(free_port())
    container = lading.ok("run", "-d", "-p", "127.0.0.1:0:80", "-p", f"127.0.0.2:{port}:81", "bb", "sleep", "1000")
    for template, expected in (
        ("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}", "none"),
        ("{{.RestartCount}} {{.HostConfig.RestartPolicy.Name}}", "0 no"),
        ("{{json .HostConfig.PortBindings}}", '{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":""}],'
         '"81/tcp":[{"HostIp":"127.0.0.2","HostPort":"' + port + '"}]}'),
        ('{{(index (index .NetworkSettings.Ports "81/tcp") 0).HostPort}}', port),
    ):  # fmt: skip
        assert lading.ok("inspect", "-f", template, container) == expected
    lading.ok("rm", "-f", container)


def served(url: str) -> bytes | None:
    try:
        return bytes(urllib.request.urlopen(url, timeout=PATIENCE).read())
    except OSError:
        return None


def test_a_port_that_is_not_published_is_told(lading: Lading) -> None:
    said = lading.call("run", "--rm", "--network", "none", "-p", "8080:80", "bb", "true")
    assert (said.code, said.err) == (0, "warning: with --network none no port is published\n")


def test_names_and_published_ports(lading: Lading) -> None:
    lading.ok(
        "run", "-d", "--name", "web", "-p", "127.0.0.1:0:80", "bb", "sh", "-c", "echo served > /i; httpd -f -p 80 -h /"
    )
    try:
        (shown,) = json.loads(lading.ok("inspect", "web"))
        port = shown["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]
        until(lambda: served(f"http://127.0.0.1:{port}/i") == b"served\n", "an answer of the published port")
        assert lading.ok("run", "--rm", "bb", "wget", "-qO-", "http://web/i") == "served"
        lading.fails(125, "run", "--rm", "-p", f"127.0.0.1:{port}:80", "bb", "true")
    finally:
        lading.ok("rm", "-f", "web")


def test_a_terminal(lading: Lading) -> None:
    script = "test -t 0 && echo yes; read x; echo got $x"
    with lading_at(lading, "run", "--rm", "-it", "--network", "none", "bb", "sh", "-c", script) as shown:
        shown.until("yes").type(b"word\r")
        assert shown.end() == 0
        assert "got word" in shown.lines
    lading.fails(125, "run", "--rm", "-it", "bb", "true")


def test_a_signal_is_passed_on(lading: Lading) -> None:
    words = [
        LADING,
        "run",
        "--rm",
        "--network",
        "none",
        "bb",
        "sh",
        "-c",
        "trap 'exit 42' TERM; echo up; while :; do sleep 0.1; done",
    ]
    environment = {"PATH": os.environ["PATH"], "HOME": "/", "LADING_ROOT": str(lading.root)}
    child = subprocess.Popen(words, stdout=subprocess.PIPE, env=environment, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    child.terminate()
    assert child.wait(PATIENCE) == 42


def test_what_exec_began_goes_on_without_it(lading: Lading) -> None:
    """As podman's and docker's clients leave it: after a kill -9 nobody is there to end it."""
    lading.ok("run", "-d", "--name", "host", "--network", "none", "bb", "sleep", "600")
    try:
        script = "echo up; until [ -e /go ]; do sleep 0.05; done; touch /went"
        words = [LADING, "exec", "host", "sh", "-c", script]
        child = subprocess.Popen(words, stdout=subprocess.PIPE, env=lading.variables(), text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        child.kill()
        child.communicate()
        lading.ok("exec", "host", "touch", "/go")
        until(lambda: lading.call("exec", "host", "ls", "/went").code == 0, "what it does at its end")
    finally:
        lading.ok("rm", "-f", "host")


@pytest.mark.parametrize("what", ["blob", "tree"])
def test_one_changed_byte_is_refused(tmp_path: Path, what: str) -> None:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    lading.ok("build", "-q", "-t", "bb", busybox(tmp_path / "context"))
    lading.ok("run", "--rm", "--network", "none", "bb", "true")
    (shown,) = json.loads(lading.ok("inspect", "bb"))
    digest = shown["Layers"][0]["digest"].replace(":", "/")
    tree = next(lading.root.glob("snapshots/*/fs/bin/busybox"))
    file = lading.root / "blobs" / digest if what == "blob" else tree
    os.chmod(file, 0o755)
    with file.open("r+b") as stream:
        stream.seek(-1, 2)
        byte = stream.read(1)[0]
        stream.seek(-1, 2)
        stream.write(bytes([byte ^ 1]))
    line = lading.fails(125, "run", "--rm", "--network", "none", "bb", "true")
    assert "was changed" in line
    if what == "tree":
        assert "bin/busybox" in line
        lading.ok("unpack", "--force", "bb")
        lading.ok("run", "--rm", "--network", "none", "bb", "true")
    assert lading.ok("ps", "-aq") == ""
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()


def test_an_unverified_image_runs_only_loudly_and_on_record(tmp_path: Path) -> None:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    lading.ok("build", "-q", "-t", "bb", busybox(tmp_path / "context"))
    (lading.root / "policy.yaml").unlink()
    (lading.root / "keys/cosign.key").unlink()
    (lading.root / "keys/cosign.pub").unlink()
    lading.ok("keygen")
    lading.fails(125, "run", "--rm", "--network", "none", "bb", "true")
    said = lading.call("run", "--rm", "--network", "none", "--unsafe-unverified", "bb", "true")
    assert said.code == 0
    assert "NOT VERIFIED" in said.err
    import sqlite3

    with sqlite3.connect(lading.root / "index.db") as index:
        assert index.execute("SELECT count(*) FROM decision WHERE basis = 'override'").fetchone() == (1,)


def test_a_container_keeps_its_image(lading: Lading, tmp_path: Path) -> None:
    lading.ok("build", "-q", "-t", "kept", busybox(tmp_path / "context", "LABEL kept=yes\n"))
    lading.ok("run", "-d", "--name", "keeper", "--network", "none", "kept", "sleep", "600")
    lading.fails(1, "rmi", "kept")
    lading.ok("rmi", "-f", "kept")
    assert lading.ok("exec", "keeper", "echo", "still") == "still"
    lading.ok("rm", "-f", "keeper")


def test_a_container_is_waited_for_as_long_as_it_is_said(lading: Lading) -> None:
    words = ["bb", "sh", "-c", "trap 'exit 3' TERM; echo up; while :; do sleep 0.1; done"]
    lading.ok("run", "-d", "--name", "patient", "--network", "none", *words)
    try:
        until(lambda: lading.ok("logs", "patient") == "up", "its first word")
        lading.ok("stop", "-t", "1e12", "patient")
        assert lading.ok("wait", "patient") == "3"
    finally:
        lading.ok("rm", "-f", "patient")


@needs("catatonit")
def test_an_init_passes_signals_on_and_takes_in_orphans(lading: Lading) -> None:
    words = ["--init", "--network", "none", "bb", "sh", "-c"]
    assert lading.call("run", "--rm", *words, "test $$ != 1 && exit 7").code == 7
    lading.ok("run", "-d", "--name", "nursed", *words, "(sleep 0.3 &); touch /up; exec sleep 1000")
    try:
        until(lambda: lading.call("exec", "nursed", "ls", "/up").code == 0)
        assert lading.ok("exec", "nursed", "cat", "/proc/1/cmdline").startswith("/dev/init\0--\0sh\0-c")
        look = ("exec", "nursed", "sh", "-c", "cat /proc/[0-9]*/stat 2>/dev/null; true")
        until(lambda: lading.ok(*look).count("(sleep)") <= 1, "an end of the orphan")
        lading.ok("stop", "-t", "-1", "nursed")
        assert lading.ok("wait", "nursed") == "143", "a command that is not the first process dies of TERM"
    finally:
        lading.ok("rm", "-f", "nursed")


def test_what_has_no_effect_is_said_once(lading: Lading, tmp_path: Path) -> None:
    lading.ok("build", "-q", "-t", "checked", context(tmp_path / "c", "FROM bb\nHEALTHCHECK CMD true\n"))
    lading.ok("build", "-q", "-t", "unchecked", context(tmp_path / "u", "FROM checked\nHEALTHCHECK NONE\n"))
    for image, network, warnings in (("checked", "none", 1), ("unchecked", "none", 0), ("checked", "host", 2)):
        ports = ["-p", "80:80"] if network == "host" else []
        said = lading.call("run", "--rm", "--network", network, *ports, image, "true")
        assert said.code == 0
        assert said.err.count("warning: ") == warnings, said.err


def test_words_that_mean_nothing_or_everything(lading: Lading, tmp_path: Path) -> None:
    """As docker's client and podman let them pass."""
    (tmp_path / "env").write_bytes(b"\xef\xbb\xbfFIRST=1\r\n# none\nSECOND=2\n")
    words = ["-l", "bare", "-m", "0", "--cpus", "0", "--pids-limit", "-1", "--env-file", tmp_path / "env"]
    script = "echo $FIRST $SECOND"
    said = lading.ok("run", "--name", "odd", "--network", "none", *words, "bb", "sh", "-c", script)
    assert said.split() == ["1", "2"]
    (shown,) = json.loads(lading.ok("inspect", "odd"))
    assert shown["Config"]["Labels"]["bare"] == ""
    assert (shown["HostConfig"]["Memory"], shown["HostConfig"]["NanoCpus"]) == (0, 0)
    lading.ok("rm", "odd")
    lading.fails(125, "run", "--rm", "-l", "=x", "bb", "true")
    for size in ("1k", "x", "0.5"):
        lading.fails(125, "run", "--rm", "--log-opt", f"max-size={size}", "bb", "true")
    lading.fails(125, "run", "--rm", "--log-opt", "max-file=3", "bb", "true")


def test_the_hint_names_what_was_executed(lading: Lading) -> None:
    said = lading.call("run", "--rm", "--network", "none", "--entrypoint", "/nope", "bb", "word")
    assert (said.code, "/nope word" in said.err) == (127, True)


def test_a_descriptor_beyond_the_limit_of_open_files(lading: Lading) -> None:
    """The caller opened it before the limit was lowered."""
    script = 'exec 251</dev/null; ulimit -n 200; exec "$0" run --rm --network none bb ls /proc/self/fd'
    said = subprocess.run(
        ["bash", "-c", script, LADING], env=lading.variables(), capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["0", "1", "2", "3"]


def test_nothing_of_a_container_stays_in_the_callers_control_groups(lading: Lading) -> None:
    """Where the caller's group ends (a unit, a session, a job), whatever is in it is killed; the container goes on."""
    root = Path("/sys/fs/cgroup")
    tops = [root] if (root / "cgroup.procs").exists() else sorted({entry.resolve() for entry in root.iterdir()})
    groups = [top / f"lading-test-{os.getpid()}" for top in tops if "cpuset" not in top.name]
    for group in groups:
        group.mkdir()
    try:
        enter = "; ".join(f"echo $$ >{group}/cgroup.procs" for group in groups)
        script = f'{enter}; "$0" run -d --name orphan --network none bb sh -c "while :; do echo x; sleep 0.05; done"'
        subprocess.run(["bash", "-c", script, LADING], env=lading.variables(), check=True, capture_output=True)
        for group in groups:
            assert (group / "cgroup.procs").read_text() == ""
        (shown,) = json.loads(lading.ok("inspect", "orphan"))
        status = Path(f"/proc/{shown['State']['Pid']}/status").read_text()
        monitor = next(line.split()[1] for line in status.splitlines() if line.startswith("PPid"))
        assert "lading-test" not in Path(f"/proc/{monitor}/cgroup").read_text()
    finally:
        lading.ok("rm", "-f", "orphan")
        for group in groups:
            group.rmdir()


def test_a_file_of_variables_without_an_end_is_refused(lading: Lading) -> None:
    said = lading.call("run", "--rm", "--env-file", "/dev/zero", "bb", "true")
    assert (said.code, said.err) == (125, "lading: --env-file /dev/zero: larger than 1048576 bytes\n")


def test_provenance_of_a_container_is_that_of_its_image(lading: Lading) -> None:
    """By its name or its ID, also where the image has another name by now; no registry is asked."""
    of_image = lading.ok("provenance", "--json", "bb")
    container = lading.ok("run", "-d", "--network", "none", "--name", "Web_1", "bb", "true")
    try:
        assert lading.ok("wait", "Web_1") == "0"
        for text in ("Web_1", container, container[:12]):
            assert lading.ok("provenance", "--json", text) == of_image
            hint = re.search(r"`lading (verify \w{12})` judges its image", lading.call("verify", text).err)
            assert hint is not None
            assert "accepted" in lading.ok(*hint[1].split())
    finally:
        lading.ok("rm", "-f", "Web_1")
