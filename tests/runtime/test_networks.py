"""Containers on the default network. Each test runs in a network namespace of its own, so the host's stays as it is."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from suites.executor_images import Harbour
from suites.machine import needs
from suites.patience import PATIENCE

pytestmark = needs("root", "overlay", "netns", "crun", "conmon", "busybox", "ip", "nft")

HEAD = """
import atexit, sys, subprocess, json
sys.path.insert(0, sys.argv[1])
from pathlib import Path
for words in ("link set lo up", "link add out0 type veth", "addr add 192.0.2.1/24 dev out0", "link set out0 up"):
    subprocess.run(["ip", *words.split()], check=True)
from lading.networking.driver import PortMapping
from lading.runtime.containers.networks import default_driver
from lading.runtime.process.execs import ExecOptions
from suites.executor_images import Harbour
harbour = Harbour(Path(sys.argv[2]), Path(sys.argv[3]))
harbour.driver = lambda: default_driver(harbour.run_dir)
def links():
    out = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True).stdout
    return [line for line in out.splitlines() if "lo:" not in line and "out0" not in line and "@out0" not in line]
def hosts(name):
    return (harbour.root / "containers" / harbour.runtime.find(name).id / "hosts").read_text()
def leave():
    for record in harbour.runtime.list(every=True):
        harbour.runtime.remove(record.id, force=True)
    harbour.runtime.recover()
atexit.register(leave)
from suites.patience import until
"""


def within(harbour: Harbour, script: str) -> str:
    _ = harbour.busybox
    words = [sys.executable, "-c", HEAD + textwrap.dedent(script), str(Path(__file__).parents[1])]
    command = ["unshare", "-n", "--", *words, str(harbour.root), str(harbour.run_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_address_and_nothing_left(harbour: Harbour) -> None:
    script = """
        look = ("sh", "-c", "ip -4 -o addr show eth0 | wc -l; cat /etc/hosts")
        out = harbour.run(*look, name="anna", network="default", remove=True)
        print(out.stdout)
        assert links() == [], links()
        assert harbour.driver().attachments() == ()
        assert harbour.gone() == []
    """
    out = within(harbour, script)
    assert out.startswith("1\n")
    assert " anna\n" in out


def test_a_containers_own_files_stay_its_own(harbour: Harbour) -> None:
    script = """
        edit = "echo 192.0.2.7 own >>/etc/hosts; echo domain own >>/etc/resolv.conf; echo own >/etc/hostname; sleep 600"
        harbour.start("sh", "-c", edit, name="keeps", network="default", hostname="web.example.org")
        harbour.start("sh", "-c", "echo 192.0.2.8 alone > /etc/hosts; exec sleep 600", name="alone", network="default")
        until(lambda: hosts("keeps").endswith("own\\n") and "alone" in hosts("keeps") and "keeps" not in hosts("alone"))
        look = ("sh", "-c", "cat /etc/hosts; hostname -f")
        out = harbour.run(*look, name="third", network="default", remove=True, hostname="third.example.org").stdout
        assert "keeps" in out and "alone" in out, out
        assert out.endswith("third.example.org\\n"), out
        ids = {name: harbour.runtime.find(name).id for name in ("keeps", "alone")}
        assert "192.0.2.7 own" in hosts("keeps") and "third" not in hosts("keeps"), hosts("keeps")
        assert hosts("alone") == "192.0.2.8 alone\\n"
        folder = harbour.root / "containers" / ids["keeps"]
        assert (folder / "resolv.conf").read_text().endswith("domain own\\n")
        assert (folder / "hostname").read_text() == "own\\n"
        own = next(line for line in hosts("keeps").splitlines() if line.startswith("10."))
        assert own.split()[1:] == ["web.example.org", "keeps", ids["keeps"][:12]]
    """
    within(harbour, script)


def test_names_and_ports(harbour: Harbour) -> None:
    script = """
        serve = ("sh", "-c", "while true; do echo hello | nc -l -p 80; done")
        harbour.start(*serve, name="server", network="default", publish=(PortMapping(None, 18080, 80),))
        ask = ("sh", "-c", "until nc server 80 </dev/null; do sleep 0.1; done")
        out = harbour.run(*ask, network="default", remove=True)
        print(out.stdout, end="")
        import socket
        def said():
            try:
                with socket.create_connection(("127.0.0.1", 18080), 60) as connection:
                    return connection.makefile().read()
            except OSError:
                return ""  # between two of the server's nc
        answers = []
        until(lambda: answers.append(said()) or answers[-1])
        print(answers[-1], end="")
        found = harbour.runtime.inspect("server")
        print(json.dumps(found["NetworkSettings"]["Ports"]))
        harbour.start("sleep", "600", name="client", network="default")
        until(lambda: "client" in hosts("server"))
        harbour.runtime.remove("client", force=True)
        assert "client" not in hosts("server")
        harbour.runtime.stop("server", 0)
        assert links() == []
        harbour.runtime.remove("server")
        assert harbour.gone() == []
    """
    lines = within(harbour, script).splitlines()
    assert lines[:2] == ["hello", "hello"]
    assert '"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "18080"}' in lines[2]


@pytest.mark.parametrize("whom", ["self", "exit"])
def test_the_end_of_a_background_container(harbour: Harbour, whom: str) -> None:
    """By the exit command, in its own process."""
    script = f"""
        told = ("sh", "-c", "until [ -e /go ]; do sleep 0.05; done")
        harbour.start(*told, name="anna", network="default", remove=True)
        assert len(links()) == 1
        if {whom!r} == "self":
            harbour.runtime.kill("anna")
        else:
            Path(f"/proc/{{harbour.runtime.find('anna').process.pid}}/root/go").touch()
        until(lambda: not harbour.processes())
        assert links() == []
        assert harbour.gone() == []
    """
    within(harbour, script)


def test_a_killed_launch_is_recovered(harbour: Harbour) -> None:
    script = """
        import os, signal
        from lading.runtime.oci import conmon as monitor
        pid = os.fork()
        if not pid:
            def die(self, **options):
                os.kill(os.getpid(), signal.SIGKILL)
            monitor.Conmon.start = die
            harbour.start("true", name="anna", network="default")
        os.waitpid(pid, 0)
        assert len(links()) == 1
        harbour.run("true", name="berta", remove=True)
        assert links() == [], links()
        assert harbour.gone() == [], harbour.gone()
    """
    within(harbour, script)


@needs("macvlan")
def test_another_driver(harbour: Harbour) -> None:
    """What a container is told of it, and what it refuses; the runtime knows the Protocol alone."""
    script = """
        from suites.macvlan_driver import MacvlanDriver
        subprocess.run(["ip", "link", "set", "veth0", "up"], check=True)
        harbour.driver = lambda: MacvlanDriver(harbour.run_dir / "network", "out0", "192.0.2.1/24", first=99)
        serve = ("sh", "-c", "while true; do echo hello | nc -l -p 80; done")
        harbour.start(*serve, name="server", network="default")
        ask = ("sh", "-c", "until nc server 80 </dev/null; do sleep 0.1; done; ip -4 -o addr show eth0")
        print(harbour.run(*ask, network="default", remove=True).stdout)
        try:
            harbour.run("true", network="default", publish=(PortMapping(None, 18080, 80),))
        except Exception as error:
            print(type(error).__name__, error)
        harbour.runtime.remove("server", force=True)
        assert harbour.driver().attachments() == ()
        assert harbour.gone() == []
    """
    out = within(harbour, script)
    assert out.startswith("hello\n")
    assert " 192.0.2.101/24 " in out
    assert "InputError a macvlan network publishes no ports" in out


def test_a_port_in_use(harbour: Harbour) -> None:
    script = """
        import socket
        taken = socket.create_server(("0.0.0.0", 18081))
        try:
            harbour.run("true", network="default", publish=(PortMapping(None, 18081, 80),))
        except Exception as error:
            print(type(error).__name__, error)
        assert links() == []
        assert harbour.gone() == []
    """
    assert "MachineError" in within(harbour, script)
