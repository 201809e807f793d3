"""A host of our own: a network namespace with a neighbour beyond it, in which a piece of test code runs.

`on_a_host` runs a function's source in a fresh process under `unshare -mn`, so that nothing of the machine's own
network is touched, and gives back what it printed as JSON.
"""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from suites.patience import PATIENCE, until

_SET_UP = """
mount -t sysfs sysfs /sys
ip link set lo up
ip netns add lad-outside-$$
ip link add up0 type veth peer name eth0 netns lad-outside-$$
ip addr add 192.0.2.1/24 dev up0 && ip addr add 2001:db8::1/64 dev up0 nodad && ip link set up0 up
ip -n lad-outside-$$ addr add 192.0.2.99/24 dev eth0
ip -n lad-outside-$$ addr add 2001:db8::99/64 dev eth0 nodad
ip -n lad-outside-$$ link set eth0 up && ip -n lad-outside-$$ link set lo up
ip -n lad-outside-$$ route add default via 192.0.2.1
ip -n lad-outside-$$ -6 route add default via 2001:db8::1
OUTSIDE=/run/netns/lad-outside-$$ exec "$PY" "$CODE" "$STATE"
"""


def on_a_host(work: Callable[..., object], folder: Path, timeout: float = PATIENCE, words: tuple[str, ...] = ()) -> Any:
    """What `work(state, outside, *words)` returns there: `state` is a folder, `outside` the neighbour's namespace."""
    code = folder / "work.py"
    body = textwrap.dedent(inspect.getsource(work))
    code.write_text(
        f"from suites.nethost import *\n{body}\n"
        "import json, os, sys\nfrom pathlib import Path\n"
        f"print('RESULT ' + json.dumps({work.__name__}(Path(sys.argv[1]), Path(os.environ['OUTSIDE']), *{words!r})))\n"
    )
    tests = Path(__file__).parents[1]
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "PY": sys.executable,
        "CODE": str(code),
        "STATE": str(folder / "state"),
        "PYTHONPATH": str(tests),
    }
    script = f"mount --make-rprivate /\nmount -t tmpfs tmpfs /run\nmkdir -p /run/netns\n{_SET_UP}"
    said = subprocess.run(
        ["unshare", "-mn", "sh", "-e", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    lines = [line for line in said.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, f"{said.stdout}\n{said.stderr}"
    return json.loads(lines[-1].removeprefix("RESULT "))


# What such code may use


def listen(namespace: Path | None, port: int, words: str, kind: str = "tcp") -> None:
    """Answers every connection or packet in a namespace with `words` and the address that it came from."""
    import socket
    import threading

    from lading.networking.kernel.namespaces import inside

    def open_() -> Any:
        server = socket.socket(socket.AF_INET6, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", port))
        if kind == "tcp":
            server.listen(64)
        return server

    server = inside(namespace, open_) if namespace else open_()

    def serve() -> None:
        while True:
            if kind == "tcp":
                client, address = server.accept()
                client.sendall(f"{words} {address[0]}".encode())
                client.close()
            else:
                _, address = server.recvfrom(100)
                server.sendto(f"{words} {address[0]}".encode(), address)

    threading.Thread(target=serve, daemon=True).start()


def ask(namespace: Path | None, address: str, port: int, kind: str = "tcp", source: str | None = None) -> str | None:
    """What answers at an address, asked from a namespace; None where nothing does."""
    import socket

    from lading.networking.kernel.namespaces import inside

    def call() -> str | None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as client:
            client.settimeout(0.7)
            try:
                if source:
                    client.bind((source, 0))
                client.connect((address, port))
                if kind == "udp":
                    client.send(b"?")
                return client.recv(200).decode() or None
            except OSError:
                return None

    return inside(namespace, call) if namespace else call()


def answer(namespace: Path | None, address: str, port: int, kind: str = "tcp") -> str:
    """As `ask`, of somebody who does answer: on a busy machine a first packet may be lost, or come late."""
    found: list[str | None] = []

    def answered() -> str | None:
        found.append(ask(namespace, address, port, kind))
        return found[-1]

    until(answered, f"an answer of {address} port {port}")
    return found[-1] or ""


def kernel_state() -> list[str]:
    """Links, routes, namespaces and elements, as `ip` and `nft` tell them; without what only a clock changes."""
    import subprocess

    commands = (
        ["ip", "-o", "link"],
        ["ip", "route"],
        ["ip", "-6", "route"],
        ["nft", "-s", "list", "ruleset"],
        ["cat", "/proc/self/mounts"],
    )
    found: list[str] = []
    for command in commands:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found += [line.split("<")[0] for line in said.splitlines()]
    return found


def settled(expected: list[str], seconds: float = PATIENCE) -> bool:
    """Whether the kernel's state becomes `expected`: namespaces end a little after they were let go."""
    import time

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if kernel_state() == expected:
            return True
        time.sleep(0.05)
    return False


def resting() -> list[str]:
    """The kernel's state once addresses are settled and it has been the same for a while: what is let go ends later."""
    import time

    while "tentative" in subprocess.run(["ip", "-6", "addr"], capture_output=True, text=True, check=True).stdout:
        time.sleep(0.05)
    state, since = kernel_state(), time.monotonic()
    while time.monotonic() < since + 1.5:
        time.sleep(0.05)
        now = kernel_state()
        if now != state:
            state, since = now, time.monotonic()
    return state
