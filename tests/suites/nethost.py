"""A host of our own: a network namespace with a neighbour beyond it, in which a piece of test code runs.

`on_a_host` runs a function's source in a fresh process under `unshare -mn`, so that nothing of the machine's own
network is touched, and gives back what it printed as JSON.

That process has one processor to itself, as the kernel sees it: packets of all namespaces then stand in one queue, and
what was sent later arrives later (`nothing_on_the_way`). So silence is seen, and never waited for.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from suites.patience import PATIENCE, until

_SET_UP = """
mkdir /run/groups && mount --rbind /sys/fs/cgroup /run/groups
mount -t sysfs sysfs /sys
mount --rbind /run/groups /sys/fs/cgroup && umount -l /run/groups && rmdir /run/groups
ip link set lo up
ip netns add lad-outside-$$
echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
ip netns exec lad-outside-$$ sh -c 'echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad'
ip link add up0 address 02:00:00:00:00:01 type veth peer name eth0 address 02:00:00:00:00:02 netns lad-outside-$$
ip addr add 192.0.2.1/24 dev up0 && ip addr add 2001:db8::1/64 dev up0 nodad && ip link set up0 up
ip -n lad-outside-$$ addr add 192.0.2.99/24 dev eth0
ip -n lad-outside-$$ addr add 2001:db8::99/64 dev eth0 nodad
ip -n lad-outside-$$ link set eth0 up && ip -n lad-outside-$$ link set lo up
for address in 192.0.2.99 2001:db8::99; do ip neigh add $address lladdr 02:00:00:00:00:02 dev up0; done
for address in 192.0.2.1 2001:db8::1; do
    ip -n lad-outside-$$ neigh add $address lladdr 02:00:00:00:00:01 dev eth0
done
ip -n lad-outside-$$ route add default via 192.0.2.1
ip -n lad-outside-$$ -6 route add default via 2001:db8::1
OUTSIDE=/run/netns/lad-outside-$$ exec "$PY" "$CODE" "$STATE"
"""
_HOPS: Final = 64
"""More than a packet and what it brings about pass of links here, there and back."""


def on_a_host(work: Callable[..., object], folder: Path, timeout: float = PATIENCE, words: tuple[str, ...] = ()) -> Any:
    """What `work(state, outside, *words)` returns there: `state` is a folder, `outside` the neighbour's namespace."""
    code = folder / "work.py"
    body = textwrap.dedent(inspect.getsource(work))
    code.write_text(
        f"from suites.nethost import *\n{body}\n"
        "import json, os, sys\nfrom pathlib import Path\n"
        "processors = sorted(os.sched_getaffinity(0))\n"
        "os.sched_setaffinity(0, {processors[os.getpid() % len(processors)]})\n"
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

    def said(client: socket.socket, address: str) -> None:
        # Read to its end: what somebody sends to a closed socket is answered by a reset, and takes the words with it.
        with client, suppress(OSError):
            client.sendall(f"{words} {address}".encode())
            client.shutdown(socket.SHUT_WR)
            while client.recv(1 << 16):
                pass

    def serve() -> None:
        while True:
            if kind == "tcp":
                client, address = server.accept()
                threading.Thread(target=said, args=(client, address[0]), daemon=True).start()
            else:
                _, address = server.recvfrom(100)
                server.sendto(f"{words} {address[0]}".encode(), address)

    threading.Thread(target=serve, daemon=True).start()


def ask(namespace: Path | None, address: str, port: int, kind: str = "tcp", source: str | None = None) -> str | None:
    """What answers at an address, asked from a namespace; None where nothing does.

    A UDP port has to be one where somebody listens, or that refuses: those who read there are no part of the kernel.
    """
    import errno
    import select
    import socket

    from lading.networking.kernel.namespaces import inside

    links_carry()
    refusals = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES)

    def call() -> str | None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as client:
            if source:
                client.bind((source, 0))
            client.setblocking(False)
            try:
                with suppress(BlockingIOError):
                    client.connect((address, port))
                nothing_on_the_way()
                if not select.select([], [client], [], 0)[1]:
                    return None
                client.settimeout(PATIENCE)
                if kind == "udp":
                    client.send(b"?")
                return client.recv(200).decode() or None
            except OSError as error:
                if error.errno in refusals:
                    return None
                raise

    return inside(namespace, call) if namespace else call()


def nothing_on_the_way() -> None:
    """Returns when every packet that was sent before has arrived or was dropped, and what it brought about as well.

    All of them stand in one queue (netif_rx(9) has one for each processor), as do these, which the host says to itself.
    """
    echo = _echo()
    for _ in range(_HOPS):
        echo.send(b"?")
        echo.recv(1)


@functools.cache
def _echo() -> Any:
    """A socket of the host that hears itself, whoever asks first."""
    import socket

    from lading.networking.kernel.namespaces import inside

    def open_() -> Any:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("127.0.0.1", 0))
        made.connect(made.getsockname())
        made.settimeout(PATIENCE)
        return made

    return inside(Path("/proc/self/ns/net"), open_)


def links_carry() -> None:
    """Waits until every link that is up passes packets on: the kernel comes to that a little after it was set up."""
    until(_carried, "a link that carries")


def _carried() -> bool:
    lines = [line for line in _said("ip", "-o", "link") if ",UP" in line.partition(">")[0]]
    return all(" state UP " in line or "<LOOPBACK" in line for line in lines)


def answer(namespace: Path | None, address: str, port: int, kind: str = "tcp") -> str:
    """As `ask`, of somebody who does answer."""
    found = ask(namespace, address, port, kind)
    assert found is not None, f"no answer of {address} port {port}"
    return found


def _said(*words: str) -> list[str]:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()


def kernel_state() -> list[str]:
    """Links, routes, namespaces and elements, as `ip` and `nft` tell them; without what only a clock changes.

    Of the mounts only the namespaces: a mount of a test beside this one goes here, too, when that removes its folder.
    """
    commands = (
        ("ip", "-o", "link"),
        ("ip", "route"),
        ("ip", "-6", "route"),
        ("nft", "-s", "list", "ruleset"),
    )
    found = [line.split("<")[0] for command in commands for line in _said(*command)]
    return [*found, *(line for line in Path("/proc/self/mounts").read_text().splitlines() if line.startswith("nsfs "))]


def settled(expected: list[str]) -> bool:
    """Waits until the kernel's state is `expected`: namespaces end a little after they were let go."""
    until(lambda: kernel_state() == expected, "the state of before")
    return True


def resting(links: Collection[str] = ()) -> list[str]:
    """The kernel's state once it has come to what is asked of it: these `links` to containers, all carrying."""

    def rests() -> bool:
        there = {name for name in os.listdir("/sys/class/net") if name.startswith("lad")}
        tentative = any("tentative" in line for line in _said("ip", "-6", "addr"))
        return there == set(links) and not tentative and _carried()

    until(rests, "a kernel at rest")
    return kernel_state()
