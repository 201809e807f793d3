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
    from ipaddress import IPv4Network, IPv6Network

    from lading.networking.driver import AttachRequest, PortMapping
    from lading.networking.routed.routed import RoutedDriver
    from suites.nethost import answer, ask, listen

    one = RoutedDriver(state)
    two = RoutedDriver(state, "second", IPv4Network("10.143.0.0/16"), IPv6Network("fd4c:6164:696e:6702::/64"))
    a = one.attach(
        AttachRequest(
            "a",
            ("web",),
            (
                PortMapping(None, 8080, 80),
                PortMapping(None, 8053, 53, "udp"),
                PortMapping("127.0.0.1", 8081, 80),
                PortMapping("192.0.2.1", 8082, 80),
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
        "sibling v4": answer(b.netns, a.ipv4, 80),
        "sibling v6": answer(b.netns, a.ipv6, 80),
        "other network v4": ask(c.netns, a.ipv4, 80),
        "other network v6": ask(c.netns, a.ipv6, 80),
        "host to container": answer(None, a.ipv4, 80),
        "host to container v6": answer(None, a.ipv6, 80),
        "outside to container": ask(outside, a.ipv4, 80),
        "published to outside v4": answer(outside, "192.0.2.1", 8080),
        "published to outside v6": answer(outside, "2001:db8::1", 8080),
        "published udp": answer(outside, "192.0.2.1", 8053, "udp"),
        "published on loopback": answer(None, "127.0.0.1", 8080),
        "published on own address": answer(None, "192.0.2.1", 8080),
        "loopback only, from the host": answer(None, "127.0.0.1", 8081),
        "loopback only, from outside": ask(outside, "192.0.2.1", 8081),
        "one address, from outside": answer(outside, "192.0.2.1", 8082),
        "one address, from loopback": ask(None, "127.0.0.1", 8082),
        "hairpin to itself": answer(a.netns, "192.0.2.1", 8080),
        "hairpin from a sibling": answer(b.netns, "192.0.2.1", 8080),
        "hairpin from another network": answer(c.netns, "192.0.2.1", 8080),
        "masquerade v4": answer(a.netns, "192.0.2.99", 80),
        "masquerade v6": answer(a.netns, "2001:db8::99", 80),
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
    from lading.networking.routed.routed import RoutedDriver
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
    from lading.networking.driver import AttachRequest, PortMapping
    from lading.networking.routed.routed import RoutedDriver
    from suites.nethost import kernel_state, resting, settled

    driver = RoutedDriver(state)
    driver.attach(AttachRequest("first"))
    driver.detach("first")
    before = resting()
    for name in ("a", "b"):
        driver.attach(AttachRequest(name, (), (PortMapping(None, 0, 80), PortMapping("127.0.0.1", 0, 81, "udp"))))
    attached = kernel_state()
    driver.detach("a")
    driver.detach("a")
    driver.detach("never")
    driver.recover([])
    return {
        "differed": attached != before,
        "clean": settled(before),
        "files": sorted(map(str, state.parent.glob("state*"))),
        "left": driver.attachments() == (),
    }


def test_nothing_is_left(tmp_path: Path) -> None:
    assert on_a_host(nothing_left, tmp_path) == {"differed": True, "clean": True, "files": [], "left": True}


def conflicts(state: Path, outside: Path) -> dict[str, Any]:
    import socket

    from lading.networking.driver import AttachRequest, PortMapping
    from lading.networking.routed.routed import RoutedDriver
    from lading.store.errors import LadingError
    from suites.nethost import ask, listen, resting, settled

    driver, other = RoutedDriver(state / "one"), RoutedDriver(state / "two")
    first = driver.attach(AttachRequest("a", (), (PortMapping(None, 8080, 80),)))
    listen(first.netns, 80, "a")
    holder = socket.create_server(("0.0.0.0", 9090))
    before = resting([first.link])
    said: dict[str, Any] = {}
    for name, publish in {
        "another container": PortMapping(None, 8080, 80),
        "a program": PortMapping(None, 9090, 80),
        "a program, on loopback": PortMapping("127.0.0.1", 9090, 80),
        "not our address": PortMapping("203.0.113.7", 8080, 80),
    }.items():
        try:
            other.attach(AttachRequest("b", (), (PortMapping(None, 7070, 80), publish)))
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
    spare = other.attach(AttachRequest("c", (), (PortMapping(None, 9090, 80, host_port_end=9092),)))
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

    from lading.networking.driver import AttachRequest
    from lading.networking.routed.routed import RoutedDriver
    from suites import dying
    from suites.nethost import resting, settled

    driver = RoutedDriver(state)
    driver.attach(AttachRequest("first"))
    driver.detach("first")
    before = resting()
    code = (
        "import sys\nfrom pathlib import Path\nfrom lading.networking.routed.routed import RoutedDriver\n"
        "from lading.networking.driver import AttachRequest, PortMapping\n"
        "driver = RoutedDriver(Path(sys.argv[1]))\nprint('on', flush=True)\n"
        "for number in range(1000):\n"
        "    driver.attach(AttachRequest(f'k{number}', (),"
        " (PortMapping(None, 0, 80), PortMapping(None, 0, 53, 'udp'))))\n"
        "    if number % 2: driver.detach(f'k{number}')\n"
    )
    for at in range(90, 290, 17):
        assert dying.killed(dying.start(code, state, at=at))
        driver.recover([])
    return {"clean": settled(before), "attachments": len(driver.attachments())}


def test_a_kill_at_any_moment_is_recovered_from(tmp_path: Path) -> None:
    assert on_a_host(killed, tmp_path) == {"clean": True, "attachments": 0}


def crowd(state: Path, outside: Path) -> dict[str, Any]:
    from concurrent.futures import ThreadPoolExecutor

    from lading.networking.driver import AttachRequest, PortMapping
    from lading.networking.routed.routed import RoutedDriver

    driver = RoutedDriver(state)
    with ThreadPoolExecutor(8) as pool:
        made = list(
            pool.map(lambda n: driver.attach(AttachRequest(f"c{n}", (), (PortMapping(None, 0, 80),))), range(20))
        )
    addresses = {attachment.ipv4 for attachment in made} | {attachment.ipv6 for attachment in made}
    ports = {attachment.published[0].host_port for attachment in made}
    return {"addresses": len(addresses), "ports": len(ports), "known": len(driver.attachments())}


def test_twenty_at_once(tmp_path: Path) -> None:
    assert on_a_host(crowd, tmp_path) == {"addresses": 40, "ports": 20, "known": 20}


def flushed(state: Path, outside: Path) -> dict[str, Any]:
    import subprocess

    from lading.networking.driver import AttachRequest, PortMapping
    from lading.networking.routed.routed import RoutedDriver
    from suites.nethost import answer, ask, listen

    driver, second = RoutedDriver(state), RoutedDriver(state, "second")
    a = driver.attach(AttachRequest("a", (), (PortMapping(None, 8080, 80),)))
    b = second.attach(AttachRequest("b", (), (PortMapping("127.0.0.1", 8081, 80),)))
    listen(a.netns, 80, "a")
    listen(b.netns, 80, "b")
    seen: dict[str, Any] = {}
    for name, mend in {
        "attach": lambda: second.attach(AttachRequest("c")),
        "recover": lambda: driver.recover("ab"),
    }.items():
        subprocess.run(["nft", "flush", "ruleset"], check=True)
        seen[f"lost before {name}"] = ask(outside, "192.0.2.1", 8080)
        mend()
        seen[f"back after {name}"] = answer(outside, "192.0.2.1", 8080)
        seen[f"other network after {name}"] = answer(None, "127.0.0.1", 8081)
    return seen


def test_somebody_flushes_the_rules(tmp_path: Path) -> None:
    seen = on_a_host(flushed, tmp_path)
    assert {name for name, answer in seen.items() if answer is None} == {"lost before attach", "lost before recover"}


def upgraded(state: Path, outside: Path) -> dict[str, Any]:
    import subprocess
    from concurrent.futures import ThreadPoolExecutor

    from lading.networking.driver import AttachRequest, PortMapping
    from lading.networking.firewall import table
    from lading.networking.routed.routed import RoutedDriver
    from suites.nethost import answer, ask, listen

    driver = RoutedDriver(state / "one")
    ports = (PortMapping(None, 8080, 80), PortMapping("127.0.0.1", 8081, 80), PortMapping("2001:db8::1", 8082, 80))
    a = driver.attach(AttachRequest("a", (), ports))
    listen(a.netns, 80, "a")
    listed = ["nft", "-s", "list", "table", "inet", "lading"]
    before = subprocess.run(listed, capture_output=True, text=True, check=True).stdout
    old = subprocess.run(
        ["nft", "-f", "-"],
        input=f"flush chain inet lading {table._VERSION}\ndelete chain inet lading {table._VERSION}\n",
        text=True,
        check=True,
        capture_output=True,
    )
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda n: RoutedDriver(state / f"root{n}").attach(AttachRequest("x")), range(4)))
    after = subprocess.run(listed, capture_output=True, text=True, check=True).stdout
    return {
        "old": old.returncode,
        "roots": len({attachment.ipv4 for attachment in made}),
        "ports": [line for line in before.splitlines() if " : " in line]
        == [line for line in after.splitlines() if " : " in line],
        "chains": after.count("chain "),
        "answers": [
            answer(outside, "192.0.2.1", 8080),
            answer(None, "127.0.0.1", 8081),
            answer(outside, "2001:db8::1", 8082),
            ask(made[0].netns, a.ipv4, 80),
        ],
    }


def test_another_version_of_the_table_is_replaced_and_ports_are_carried_over(tmp_path: Path) -> None:
    seen = on_a_host(upgraded, tmp_path)
    answers = seen.pop("answers")
    assert seen == {"old": 0, "roots": 4, "ports": True, "chains": 10}
    assert all(answers[:3])
    assert answers[3] is None, "networks of two roots are two networks"


def again(state: Path, outside: Path) -> int:
    from lading.networking.driver import AttachRequest
    from lading.networking.routed.routed import RoutedDriver

    driver = RoutedDriver(state)
    for _ in range(10):
        driver.attach(AttachRequest("a"))
        driver.detach("a")
    return len(driver.attachments())


def test_a_container_comes_back_at_once(tmp_path: Path) -> None:
    assert on_a_host(again, tmp_path) == 0


def pinned(state: Path, outside: Path) -> dict[str, Any]:
    import os

    from lading.networking.driver import AttachRequest
    from lading.networking.routed.routed import RoutedDriver
    from suites.nethost import resting, settled

    driver = RoutedDriver(state)
    driver.attach(AttachRequest("first"))
    driver.detach("first")
    before = resting()
    a = driver.attach(AttachRequest("a"))
    held = os.open(a.netns, os.O_RDONLY)
    driver.detach("a")
    stays = a.link in os.listdir("/sys/class/net")
    driver.recover([])
    clean = settled(before)
    os.close(held)
    return {"stays": stays, "clean": clean}


def test_a_link_whose_namespace_is_held_on_to_is_swept(tmp_path: Path) -> None:
    assert on_a_host(pinned, tmp_path) == {"stays": True, "clean": True}


def offline(state: Path, outside: Path) -> dict[str, Any]:
    import subprocess

    from lading.networking.driver import AttachRequest, PortMapping
    from lading.networking.routed.routed import RoutedDriver
    from suites.nethost import answer, listen

    subprocess.run(["ip", "link", "delete", "up0"], check=True)
    a = RoutedDriver(state).attach(AttachRequest("a", (), (PortMapping(None, 8080, 80),)))
    listen(a.netns, 80, "a")
    return {
        "loopback": answer(None, "127.0.0.1", 8080),
        "address": answer(None, a.ipv4, 80),
        "address v6": answer(None, a.ipv6 or "", 80),
        "itself": answer(a.netns, "169.254.1.1", 8080),
    }


def test_a_host_with_no_other_address(tmp_path: Path) -> None:
    assert all(on_a_host(offline, tmp_path).values())


def words_of_publishing(state: Path, outside: Path) -> dict[str, Any]:
    from lading.networking.driver import AttachRequest, PortMapping
    from lading.networking.routed.routed import RoutedDriver
    from lading.store.errors import LadingError
    from suites.nethost import answer, ask, listen

    driver = RoutedDriver(state)
    a = driver.attach(AttachRequest("a", (), (PortMapping("0.0.0.0", 8080, 80), PortMapping("::", 8081, 80))))
    listen(a.netns, 80, "a")
    seen: dict[str, Any] = {
        "every v4": answer(outside, "192.0.2.1", 8080),
        "every v4, not v6": ask(outside, "2001:db8::1", 8080),
        "every v6": answer(outside, "2001:db8::1", 8081),
        "every v6, not v4": ask(outside, "192.0.2.1", 8081),
        "refused at once on ::1": ask(None, "::1", 8081),
    }
    for name, publish in {
        "loopback v6": PortMapping("::1", 9000, 80),
        "held by a container": PortMapping("127.0.0.1", 8080, 80),
    }.items():
        try:
            driver.attach(AttachRequest("b", (), (publish,)))
        except LadingError as error:
            seen[name] = error.message
    ranged = driver.attach(AttachRequest("c", (), (PortMapping(None, 8080, 80, "tcp", 8085),)))
    seen["range"] = ranged.published[0].host_port
    return seen


def test_words_of_publishing(tmp_path: Path) -> None:
    seen = on_a_host(words_of_publishing, tmp_path)
    assert seen["every v4"]
    assert seen["every v6"]
    assert [seen[name] for name in ("every v4, not v6", "every v6, not v4", "refused at once on ::1")] == [None] * 3
    assert seen["loopback v6"].startswith("cannot publish [::1]:9000/tcp: ")
    assert seen["held by a container"] == "cannot publish 127.0.0.1:8080/tcp: the port is in use"
    assert seen["range"] == 8082


def stale(state: Path, outside: Path) -> dict[str, Any]:
    import socket

    from lading.networking.driver import AttachRequest, PortMapping
    from lading.networking.kernel.namespaces import inside
    from lading.networking.routed.routed import RoutedDriver
    from suites.nethost import links_carry, listen
    from suites.patience import PATIENCE

    def client() -> socket.socket:
        channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        channel.bind(("192.0.2.99", 5000))
        channel.connect(("192.0.2.1", 8053))
        channel.settimeout(PATIENCE)
        return channel

    def answer() -> str | None:
        try:
            channel.send(b"?")
            return channel.recv(100).decode().split()[0]
        except ConnectionRefusedError:
            return None

    driver = RoutedDriver(state)
    driver.attach(AttachRequest("first"))
    links_carry()
    channel = inside(outside, client)
    seen: dict[str, Any] = {"before": answer()}
    for name in ("a", "b"):
        made = driver.attach(AttachRequest(name, (), (PortMapping(None, 8053, 53, "udp"),)))
        listen(made.netns, 53, name, "udp")
        links_carry()
        seen[name] = answer()
        driver.detach(name)
    return seen


def test_a_client_that_keeps_sending_finds_the_next_container(tmp_path: Path) -> None:
    assert on_a_host(stale, tmp_path) == {"before": None, "a": "a", "b": "b"}


def elsewhere(state: Path, outside: Path) -> dict[str, Any]:
    import subprocess
    from ipaddress import IPv4Network

    from lading.networking.driver import AttachRequest
    from lading.networking.routed.routed import RoutedDriver
    from lading.store.errors import LadingError

    subprocess.run(["ip", "route", "add", "10.128.0.0/9", "via", "192.0.2.99"], check=True)
    seen = {"chosen": RoutedDriver(state).attach(AttachRequest("a")).ipv4}
    seen["second"] = RoutedDriver(state, "second").attach(AttachRequest("b")).ipv4
    subprocess.run(["ip", "route", "add", "172.28.0.0/15", "via", "192.0.2.99"], check=True)
    seen["kept"] = RoutedDriver(state).attach(AttachRequest("c")).ipv4
    for subnet in ("10.200.0.0/16", "192.168.7.0/30"):
        try:
            RoutedDriver(state, "third", IPv4Network(subnet)).attach(AttachRequest("d"))
        except LadingError as error:
            seen[subnet] = error.message
    return seen


def test_ranges_that_the_host_uses_are_left_alone(tmp_path: Path) -> None:
    seen = on_a_host(elsewhere, tmp_path)
    assert seen["chosen"].startswith("172.28.")
    assert seen["second"].startswith("172.29.")
    assert seen["kept"].startswith("172.28.")
    assert seen["10.200.0.0/16"] == "the subnet 10.200.0.0/16 overlaps 10.128.0.0/9, which this host has a route to"
    assert seen["192.168.7.0/30"] == "the subnet 192.168.7.0/30 has fewer than 8 addresses"


def settings(state: Path, outside: Path) -> dict[str, Any]:
    from lading.networking.driver import AttachRequest
    from lading.networking.kernel.namespaces import inside
    from lading.networking.routed.routed import RoutedDriver

    accept = Path("/proc/sys/net/ipv6/conf/up0/accept_ra")
    for forward in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        Path("/proc/sys/net", forward).write_text("0")
    accept.write_text("1")
    a = RoutedDriver(state).attach(AttachRequest("a"))
    low = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    return {
        "accept_ra": accept.read_text().strip(),
        "low ports": inside(a.netns, lambda: low.read_text().strip()),
        "of the host": low.read_text().strip(),
        "before": json.loads((state / "sysctls.json").read_text()),
    }


def test_what_the_host_is_told(tmp_path: Path) -> None:
    seen = on_a_host(settings, tmp_path)
    before = seen.pop("before")
    assert seen == {"accept_ra": "2", "low ports": "0", "of the host": "1024"}
    assert before["ipv6/conf/up0/accept_ra"] == "1"
    assert before["ipv4/ip_forward"] == "0"


def advertised(state: Path, outside: Path) -> dict[str, Any]:
    import socket
    import struct

    from lading.networking.driver import AttachRequest
    from lading.networking.kernel.namespaces import inside
    from lading.networking.routed.routed import RoutedDriver
    from suites.nethost import kernel_state, nothing_on_the_way, resting

    a = RoutedDriver(state).attach(AttachRequest("a"))
    Path(f"/proc/sys/net/ipv6/conf/{a.link}/accept_ra").write_text("2")
    before = resting([a.link])
    everything = 3  # ETH_P_ALL of linux/if_ether.h
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(everything))
    wire.bind((a.link, everything))

    def advertise() -> None:
        import subprocess

        subprocess.run(["ip", "addr", "add", "fe80::2/64", "dev", "eth0", "nodad"], check=True)
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as channel:
            channel.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            channel.bind(("fe80::2", 0, 0, 2))
            channel.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0), ("ff02::1", 0, 0, 2))

    inside(a.netns, advertise)
    while wire.recv(200)[40:41] != b"\x86":
        pass  # until the host's end of the link has got it
    nothing_on_the_way()
    moved = sorted(set(kernel_state()) ^ set(before))
    return {"moved": [line for line in moved if "default" in line or " ra " in line]}


def test_a_container_cannot_advertise_itself_as_a_router(tmp_path: Path) -> None:
    assert on_a_host(advertised, tmp_path) == {"moved": []}


def without_ipv6(state: Path, outside: Path) -> dict[str, Any]:
    from lading.networking.driver import AttachRequest, PortMapping
    from lading.networking.routed.routed import RoutedDriver
    from suites.nethost import answer, listen

    Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
    a = RoutedDriver(state).attach(AttachRequest("a", (), (PortMapping(None, 8080, 80),)))
    listen(a.netns, 80, "a")
    return {"ipv6": a.ipv6, "gateway6": a.gateway6, "answer": answer(outside, "192.0.2.1", 8080)}


def test_a_host_without_ipv6(tmp_path: Path) -> None:
    seen = on_a_host(without_ipv6, tmp_path)
    assert (seen["ipv6"], seen["gateway6"]) == (None, None)
    assert seen["answer"] is not None


def test_what_is_written_down_is_read_back(tmp_path: Path) -> None:
    from lading.networking.driver import Attachment, PortMapping

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
        (PortMapping("::1", 1, 2, "udp"),),
        ("web",),
    )
    assert Attachment.parse(attachment.json()) == attachment
    assert json.loads(attachment.json())["names"] == ["web"]
