"""What a container contacts, as the kernel keeps it, on a host of its own with a neighbour outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from suites.machine import needs
from suites.nethost import on_a_host

pytestmark = needs("root", "netns", "ip", "nft", "ipv6", "busybox")


def contacted(state: Path, outside: Path) -> dict[str, Any]:
    import socket
    import struct
    import subprocess

    from lading.networking.driver import AttachRequest
    from lading.networking.kernel.namespaces import inside
    from lading.networking.routed.routed import RoutedDriver
    from suites.name_server import serve
    from suites.nethost import answer, ask, links_carry, listen, nothing_on_the_way

    def name_server() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("192.0.2.99", 53))
        return made

    def forged() -> None:
        """A TCP packet that belongs to no connection, past the kernel's own sockets."""
        source, target = socket.inet_aton(a.ipv4), socket.inet_aton("192.0.2.99")
        tcp = struct.pack(">HHIIBBHHH", 40000, 4444, 1, 1, 5 << 4, 0x10, 1024, 0, 0)
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0) + source + target
        total = sum(struct.unpack(">10H", ip))
        checksum = 0xFFFF - (total % 0xFFFF)
        ip = ip[:10] + struct.pack(">H", checksum) + ip[12:]
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as raw:
            raw.sendto(ip + tcp, ("eth0", 0x0800, 0, 0, bytes.fromhex("02001adb1001")))

    def spoken(namespace: Path, *words: str) -> str:
        words = ("nsenter", f"--net={namespace}", "busybox", *words)
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout

    driver = RoutedDriver(state)
    a, b = driver.attach(AttachRequest("a")), driver.attach(AttachRequest("b"))
    listen(outside, 80, "outside")
    listen(a.netns, 80, "a")
    listen(None, 8000, "host")
    serve(inside(outside, name_server), {"www.example.com": "192.0.2.99", "six.example.com": "2001:db8::99"})
    first, second = driver.watch("a"), driver.watch("b")
    links_carry()
    answer(a.netns, "192.0.2.99", 80)
    answer(a.netns, "2001:db8::99", 80)
    answer(a.netns, "192.0.2.1", 8000)
    ask(a.netns, "192.0.2.99", 81)
    looked_up = [spoken(a.netns, "nslookup", name, "192.0.2.99") for name in ("WWW.example.com", "six.example.com")]
    spoken(a.netns, "ping", "-c", "1", "192.0.2.99")
    inside(a.netns, forged)
    nothing_on_the_way()
    let_in = [ask(b.netns, a.ipv4, 80), ask(None, a.ipv4, 80), ask(None, str(a.ipv6), 80)]
    seen = [watch.end() for watch in (first, second)]
    return {
        "a": [[one.protocol, one.address, one.port, list(one.names)] for one in seen[0].destinations],
        "b": [[one.protocol, one.address, one.port] for one in seen[1].destinations],
        "a4": a.ipv4,
        "whole": not any(one.cut or one.broken for one in seen),
        "let in": let_in,
        "looked up": ["192.0.2.99" in looked_up[0], "2001:db8::99" in looked_up[1]],
    }


def test_what_is_contacted(tmp_path: Path) -> None:
    """Of each container apart, however it sends; nobody begins anything with it meanwhile."""
    found = on_a_host(contacted, tmp_path)
    named, six = ["www.example.com"], ["six.example.com"]
    assert found["looked up"] == [True, True]
    assert found["a"] == [
        ["icmp", "192.0.2.99", 0, named],
        ["tcp", "192.0.2.1", 8000, []],
        ["tcp", "192.0.2.99", 80, named],
        ["tcp", "192.0.2.99", 81, named],
        ["tcp", "192.0.2.99", 4444, named],
        ["tcp", "2001:db8::99", 80, six],
        ["udp", "192.0.2.99", 53, named],
    ]
    assert found["b"] == [["tcp", found["a4"], 80]]
    assert found["let in"] == [None, None, None]
    assert found["whole"]


def many(state: Path, outside: Path) -> dict[str, Any]:
    import socket
    from contextlib import suppress

    from lading.networking.driver import AttachRequest
    from lading.networking.kernel.namespaces import inside
    from lading.networking.routed.routed import RoutedDriver
    from suites.nethost import answer, links_carry, listen, nothing_on_the_way

    def flood() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for number in range(100_000):
                with suppress(OSError):
                    out.sendto(b"", (f"198.{18 + (number >> 16)}.{number >> 8 & 255}.{number & 255}", 9))

    driver = RoutedDriver(state)
    a, b = driver.attach(AttachRequest("a")), driver.attach(AttachRequest("b"))
    listen(outside, 80, "outside")
    first, second = driver.watch("a"), driver.watch("b")
    links_carry()
    answer(b.netns, "192.0.2.99", 80)
    inside(a.netns, flood)
    nothing_on_the_way()
    flooded, quiet = first.end(), second.end()
    return {
        "flooded": [len(flooded.destinations), flooded.cut],
        "quiet": [len(quiet.destinations), quiet.cut],
    }


def test_a_hundred_thousand_addresses_are_a_bounded_record(tmp_path: Path) -> None:
    found = on_a_host(many, tmp_path)
    assert found == {"flooded": [1024, True], "quiet": [1, False]}


def flushed(state: Path, outside: Path) -> list[str]:
    import subprocess

    from lading.networking.driver import AttachRequest
    from lading.networking.routed.routed import RoutedDriver

    driver = RoutedDriver(state)
    found: list[str] = []
    for again in (False, True):
        driver.attach(AttachRequest("a"))
        watch = driver.watch("a")
        subprocess.run(["nft", "flush", "ruleset"], check=True)
        if again:
            driver.attach(AttachRequest("b"))  # which puts the rules back
        found.append(watch.end().broken)
        driver.detach("a")
    return found


def test_rules_that_were_flushed_meanwhile_are_told(tmp_path: Path) -> None:
    words = "somebody took the rules of the network away meanwhile"
    assert on_a_host(flushed, tmp_path) == [words, words]


def killed(state: Path, outside: Path) -> list[list[str]]:
    import os
    import subprocess
    import sys

    from lading.networking.driver import AttachRequest
    from lading.networking.routed.routed import RoutedDriver
    from suites.nethost import listen
    from suites.patience import until

    def elements() -> list[str]:
        listed = subprocess.run(["nft", "list", "table", "inet", "lading"], capture_output=True, text=True).stdout
        return [line.strip() for line in listed.splitlines() if "elements" in line]

    driver = RoutedDriver(state)
    listen(outside, 80, "outside")
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom lading.networking.driver import AttachRequest\n"
        "from lading.networking.routed.routed import RoutedDriver\nfrom suites.nethost import answer, links_carry\n"
        "driver = RoutedDriver(Path(sys.argv[1]))\nmade = driver.attach(AttachRequest('a'))\n"
        "watch = driver.watch('a')\nlinks_carry()\nanswer(made.netns, '192.0.2.99', 80)\nos.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(state)], env=dict(os.environ), check=False)
    before = elements()
    driver.recover([])
    until(lambda: not any(name.startswith("lad") for name in os.listdir("/sys/class/net")), "the link gone")
    driver.attach(AttachRequest("b"))
    watch = driver.watch("b")
    after = elements()
    watch.end()
    return [before, after]


def test_what_a_killed_process_watched_is_forgotten(tmp_path: Path) -> None:
    before, after = on_a_host(killed, tmp_path)
    assert any("192.0.2.99" in line for line in before)
    assert not any("192.0.2.99" in line for line in after)


@pytest.mark.parametrize(
    "message",
    [b"", bytes(11), b"\0\0\x81\x80\0\1\0\1" + bytes(4), b"\0\0\x81\x80\0\1\0\1\0\0\0\0" + b"\xc0\x0c" * 8],
)
def test_what_is_no_answer_of_a_name_server(message: bytes) -> None:
    from lading.networking import dns
    from lading.store.errors import DocumentError

    with pytest.raises(DocumentError):
        dns.addresses(message)
