"""The routed driver on a host of its own, with a neighbour outside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from suites.machine import needs
from suites.nethost import on_a_host

pytestmark = needs("root", "netns", "ip", "nft")


def who_reaches_whom(state: Path, outside: Path) -> dict[str, Any]:
    from lading.networking.driver import AttachRequest, Publish
    from lading.networking.routed import RoutedDriver, Subnet
    from suites.nethost import ask, listen

    one = RoutedDriver(state)
    two = RoutedDriver(state, "second", Subnet("10.143.0.0", 16), Subnet("fd4c:6164:696e:6702::", 64))
    a = one.attach(
        AttachRequest(
            "a",
            ("web",),
            (
                Publish(None, 8080, 80),
                Publish(None, 8053, 53, "udp"),
                Publish("127.0.0.1", 8081, 80),
                Publish("192.0.2.1", 8082, 80),
            ),
        )
    )
    b = one.attach(AttachRequest("b"))
    c = two.attach(AttachRequest("c"))
    for attachment, words in ((a, "a"), (b, "b"), (c, "c")):
        listen(attachment.netns, 80, words)
    listen(a.netns, 53, "dns", "udp")
    listen(outside, 80, "outside")
    assert a.ipv6 and b.ipv6
    return {
        "a4": a.ipv4,
        "sibling v4": ask(b.netns, a.ipv4, 80),
        "sibling v6": ask(b.netns, a.ipv6, 80),
        "other network v4": ask(c.netns, a.ipv4, 80),
        "other network v6": ask(c.netns, a.ipv6, 80),
        "host to container": ask(None, a.ipv4, 80),
        "host to container v6": ask(None, a.ipv6, 80),
        "outside to container": ask(outside, a.ipv4, 80),
        "published to outside v4": ask(outside, "192.0.2.1", 8080),
        "published to outside v6": ask(outside, "2001:db8::1", 8080),
        "published udp": ask(outside, "192.0.2.1", 8053, "udp"),
        "published on loopback": ask(None, "127.0.0.1", 8080),
        "published on own address": ask(None, "192.0.2.1", 8080),
        "loopback only, from the host": ask(None, "127.0.0.1", 8081),
        "loopback only, from outside": ask(outside, "192.0.2.1", 8081),
        "one address, from outside": ask(outside, "192.0.2.1", 8082),
        "one address, from loopback": ask(None, "127.0.0.1", 8082),
        "hairpin to itself": ask(a.netns, "192.0.2.1", 8080),
        "hairpin from a sibling": ask(b.netns, "192.0.2.1", 8080),
        "hairpin from another network": ask(c.netns, "192.0.2.1", 8080),
        "masquerade v4": ask(a.netns, "192.0.2.99", 80),
        "masquerade v6": ask(a.netns, "2001:db8::99", 80),
    }


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return on_a_host(who_reaches_whom, tmp_path_factory.mktemp("host"))


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("sibling v4", "a "),
        ("sibling v6", "a "),
        ("other network v4", None),
        ("other network v6", None),
        ("host to container", "a "),
        ("host to container v6", "a "),
        ("outside to container", None),
        ("published to outside v4", "a ::ffff:192.0.2.99"),
        ("published to outside v6", "a 2001:db8::99"),
        ("published udp", "dns ::ffff:192.0.2.99"),
        ("published on loopback", "a "),
        ("published on own address", "a "),
        ("loopback only, from the host", "a "),
        ("loopback only, from outside", None),
        ("one address, from outside", "a "),
        ("one address, from loopback", None),
        ("hairpin to itself", "a "),
        ("hairpin from a sibling", "a "),
        ("hairpin from another network", "a "),
        ("masquerade v4", "outside ::ffff:192.0.2.1"),
        ("masquerade v6", "outside 2001:db8::1"),
    ],
)
def test_who_reaches_whom(reached: dict[str, Any], path: str, answer: str | None) -> None:
    if answer is None:
        assert reached[path] is None
    else:
        assert reached[path] is not None
        assert reached[path].startswith(answer)


def spoof(state: Path, outside: Path) -> dict[str, Any]:
    import subprocess

    from lading.networking.driver import AttachRequest
    from lading.networking.routed import RoutedDriver
    from suites.nethost import ask, listen

    driver = RoutedDriver(state)
    a, b = driver.attach(AttachRequest("a")), driver.attach(AttachRequest("b"))
    listen(outside, 53, "outside", "udp")
    listen(outside, 80, "outside")
    subprocess.run(["nsenter", f"--net={b.netns}", "ip", "addr", "add", f"{a.ipv4}/32", "dev", "lo"], check=True)
    subprocess.run(["nsenter", f"--net={b.netns}", "ip", "addr", "add", f"{a.ipv6}/128", "dev", "lo"], check=True)
    return {
        "own": ask(b.netns, "192.0.2.99", 80),
        "stolen v4": ask(b.netns, "192.0.2.99", 80, source=a.ipv4),
        "stolen v6": ask(b.netns, "2001:db8::99", 80, source=a.ipv6),
        "loopback of the host": ask(b.netns, "169.254.1.1", 80),
    }


def test_a_container_cannot_speak_as_another(tmp_path: Path) -> None:
    seen = on_a_host(spoof, tmp_path)
    assert seen["own"] is not None
    assert [seen[name] for name in ("stolen v4", "stolen v6", "loopback of the host")] == [None, None, None]


def nothing_left(state: Path, outside: Path) -> dict[str, Any]:
    from lading.networking.driver import AttachRequest, Publish
    from lading.networking.routed import RoutedDriver
    from suites.nethost import kernel_state, settled

    driver = RoutedDriver(state)
    driver.attach(AttachRequest("first"))
    driver.detach("first")
    settled([], 0.3)
    before = kernel_state()
    for name in ("a", "b"):
        driver.attach(AttachRequest(name, (), (Publish(None, 0, 80), Publish("127.0.0.1", 0, 81, "udp"))))
    attached = kernel_state()
    driver.detach("a")
    driver.detach("a")
    driver.detach("never")
    driver.recover([])
    files = sorted(
        str(path) for path in state.rglob("*") if path.name not in ("lock", "containers", "netns", "default")
    )
    return {
        "differed": attached != before,
        "clean": settled(before),
        "files": files,
        "left": driver.attachments() == (),
    }


def test_nothing_is_left(tmp_path: Path) -> None:
    assert on_a_host(nothing_left, tmp_path) == {"differed": True, "clean": True, "files": [], "left": True}


def conflicts(state: Path, outside: Path) -> dict[str, Any]:
    import socket

    from lading.networking.driver import AttachRequest, Publish
    from lading.networking.routed import RoutedDriver
    from lading.store.errors import LadingError
    from suites.nethost import ask, kernel_state, listen, settled

    driver, other = RoutedDriver(state / "one"), RoutedDriver(state / "two")
    first = driver.attach(AttachRequest("a", (), (Publish(None, 8080, 80),)))
    listen(first.netns, 80, "a")
    holder = socket.create_server(("0.0.0.0", 9090))
    settled([], 0.3)
    before = kernel_state()
    said: dict[str, Any] = {}
    for name, publish in {
        "another container": Publish(None, 8080, 80),
        "a program": Publish(None, 9090, 80),
        "a program, on loopback": Publish("127.0.0.1", 9090, 80),
        "not our address": Publish("203.0.113.7", 8080, 80),
    }.items():
        try:
            other.attach(AttachRequest("b", (), (Publish(None, 7070, 80), publish)))
            said[name] = "attached"
        except LadingError as error:
            said[name] = error.message
    try:
        driver.attach(AttachRequest("a"))
        said["twice"] = "attached"
    except LadingError as error:
        said["twice"] = error.message
    said["clean"] = settled(before)
    said["still"] = ask(None, "127.0.0.1", 8080)
    spare = other.attach(AttachRequest("c", (), (Publish(None, 9090, 80, host_port_end=9092),)))
    said["range"] = spare.published[0].host_port
    holder.close()
    return said


def test_a_port_in_use_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    said = on_a_host(conflicts, tmp_path)
    for name in ("another container", "a program", "a program, on loopback"):
        assert said[name].endswith("the port is in use"), said
    assert said["not our address"].endswith(": 203.0.113.7 is not an address of this machine")
    assert "already" in said["twice"]
    assert said["clean"]
    assert said["still"] is not None
    assert said["range"] == 9091


def killed(state: Path, outside: Path) -> dict[str, Any]:
    import os
    import random
    import signal
    import subprocess
    import sys
    import time

    from lading.networking.driver import AttachRequest
    from lading.networking.routed import RoutedDriver
    from suites.nethost import kernel_state, settled

    driver = RoutedDriver(state)
    driver.attach(AttachRequest("first"))
    driver.detach("first")
    settled([], 0.3)
    before = kernel_state()
    code = (
        "import sys\nfrom pathlib import Path\nfrom lading.networking.routed import RoutedDriver\n"
        "from lading.networking.driver import AttachRequest, Publish\n"
        "driver = RoutedDriver(Path(sys.argv[1]))\nprint('on', flush=True)\n"
        "for number in range(1000):\n"
        "    driver.attach(AttachRequest(f'k{number}', (), (Publish(None, 0, 80),)))\n"
        "    if number % 2: driver.detach(f'k{number}')\n"
    )
    for _ in range(6):
        child = subprocess.Popen([sys.executable, "-c", code, str(state)], stdout=subprocess.PIPE, text=True)
        child.stdout.readline()
        time.sleep(random.uniform(0.0, 0.06))
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        driver.recover([])
    return {"clean": settled(before), "attachments": len(driver.attachments())}


def test_a_kill_at_any_moment_is_recovered_from(tmp_path: Path) -> None:
    assert on_a_host(killed, tmp_path) == {"clean": True, "attachments": 0}


def crowd(state: Path, outside: Path) -> dict[str, Any]:
    from concurrent.futures import ThreadPoolExecutor

    from lading.networking.driver import AttachRequest, Publish
    from lading.networking.routed import RoutedDriver

    driver = RoutedDriver(state)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: driver.attach(AttachRequest(f"c{n}", (), (Publish(None, 0, 80),))), range(20)))
    addresses = {attachment.ipv4 for attachment in made} | {attachment.ipv6 for attachment in made}
    ports = {attachment.published[0].host_port for attachment in made}
    return {"addresses": len(addresses), "ports": len(ports), "known": len(driver.attachments())}


def test_twenty_at_once(tmp_path: Path) -> None:
    assert on_a_host(crowd, tmp_path) == {"addresses": 40, "ports": 20, "known": 20}


def flushed(state: Path, outside: Path) -> dict[str, Any]:
    import subprocess

    from lading.networking.driver import AttachRequest, Publish
    from lading.networking.routed import RoutedDriver
    from suites.nethost import ask, listen

    driver = RoutedDriver(state)
    a = driver.attach(AttachRequest("a", (), (Publish(None, 8080, 80),)))
    listen(a.netns, 80, "a")
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    lost = ask(outside, "192.0.2.1", 8080)
    driver.attach(AttachRequest("b"))
    return {"lost": lost, "back": ask(outside, "192.0.2.1", 8080)}


def test_somebody_flushes_the_rules(tmp_path: Path) -> None:
    seen = on_a_host(flushed, tmp_path)
    assert seen["lost"] is None
    assert seen["back"] is not None


def without_ipv6(state: Path, outside: Path) -> dict[str, Any]:
    from lading.networking.driver import AttachRequest, Publish
    from lading.networking.routed import RoutedDriver
    from suites.nethost import ask, listen

    Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
    a = RoutedDriver(state).attach(AttachRequest("a", (), (Publish(None, 8080, 80),)))
    listen(a.netns, 80, "a")
    return {"ipv6": a.ipv6, "gateway6": a.gateway6, "answer": ask(outside, "192.0.2.1", 8080)}


def test_a_host_without_ipv6(tmp_path: Path) -> None:
    seen = on_a_host(without_ipv6, tmp_path)
    assert (seen["ipv6"], seen["gateway6"]) == (None, None)
    assert seen["answer"] is not None


def test_what_is_written_down_is_read_back(tmp_path: Path) -> None:
    from lading.networking.driver import Attachment, Publish

    attachment = Attachment(
        "a",
        "default",
        Path("/run/x"),
        "eth0",
        "lad1",
        "10.0.0.2",
        None,
        "169.254.1.1",
        None,
        1500,
        (Publish("::1", 1, 2, "udp"),),
        ("web",),
    )
    assert Attachment.parse(attachment.json()) == attachment
    assert json.loads(attachment.json())["names"] == ["web"]
