"""What a neighbour on the network reaches: what was published to it, with the rules of the table and without them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from suites.machine import needs
from suites.nethost import on_a_host

pytestmark = needs("root", "netns", "ipv6", "nft", "ip")


def neighbour(state: Path, outside: Path) -> dict[str, Any]:
    import subprocess

    from lading.networking.driver import AttachRequest, PortMapping
    from lading.networking.routed.routed import RoutedDriver
    from suites.nethost import ask, listen

    driver = RoutedDriver(state)
    a = driver.attach(AttachRequest("a", (), (PortMapping(None, 8080, 80), PortMapping("127.0.0.1", 8081, 80))))
    b, other = driver.attach(AttachRequest("b")), RoutedDriver(state, "other").attach(AttachRequest("c"))
    for place in (a, b, other):
        listen(place.netns, 80, place.container)
    there = ["nsenter", f"--net={outside}"]
    for words in (
        "ip addr del 127.0.0.1/8 dev lo",
        "ip route add 127.0.0.1/32 via 192.0.2.1",
        "sysctl -qw net.ipv4.conf.all.route_localnet=1",
        *(f"ip route add {place.ipv4}/32 via 192.0.2.1" for place in (a, b, other)),
        *(f"ip -6 route add {place.ipv6}/128 via 2001:db8::1" for place in (a, b, other)),
    ):
        subprocess.run([*there, *words.split()], check=True)

    def look() -> dict[str, Any]:
        return {
            "published v4": ask(outside, "192.0.2.1", 8080),
            "published v6": ask(outside, "2001:db8::1", 8080),
            "on loopback": ask(None, "127.0.0.1", 8081),
            "loopback by way of the host": ask(outside, "127.0.0.1", 8080) or ask(outside, "127.0.0.1", 8081),
            "loopback's port elsewhere": ask(outside, "192.0.2.1", 8081),
            **{f"{place.container} by {address}": ask(outside, address, 80) for place in (a, b, other)
               for address in (place.ipv4, place.ipv6)},
            "sibling": ask(b.netns, a.ipv4, 80),
            "another network": ask(b.netns, other.ipv4, 80) or ask(b.netns, other.ipv6, 80),
            "the host": ask(None, b.ipv4, 80),
        }  # fmt: skip

    seen = {"before": look()}
    for name, flush in {"without a table": "flush ruleset", "without rules": "flush table inet lading"}.items():
        subprocess.run(["nft", *flush.split()], check=True)
        seen[name] = look()
        driver.recover("ab")
        seen[f"restored {name}"] = look()
    return {state: sorted(name for name, answer in found.items() if answer) for state, found in seen.items()}


def test_a_neighbour_reaches_what_is_published_to_it_and_nothing_else(tmp_path: Path) -> None:
    seen = on_a_host(neighbour, tmp_path)
    whole = ["on loopback", "published v4", "published v6", "sibling", "the host"]
    assert {name: found for name, found in seen.items() if name not in ("without a table", "without rules")} == {
        "before": whole,
        "restored without a table": whole,
        "restored without rules": whole,
    }
    assert seen["without a table"] == seen["without rules"] == ["the host"]


def forged(state: Path, outside: Path) -> list[str]:
    import socket
    import subprocess

    from lading.networking.driver import AttachRequest, PortMapping
    from lading.networking.kernel.namespaces import inside
    from lading.networking.routed.routed import RoutedDriver
    from suites.nethost import links_carry

    driver = RoutedDriver(state)
    a = driver.attach(AttachRequest("a", (), (PortMapping(None, 5353, 53, "udp"),)))
    b = driver.attach(AttachRequest("b"))
    there = ["nsenter", f"--net={outside}"]
    for words in (
        "ip addr add 127.0.0.5/32 dev eth0",
        "sysctl -qw net.ipv4.conf.all.route_localnet=1",
        f"ip addr add {b.ipv4}/32 dev eth0",
        f"ip -6 addr add {b.ipv6}/128 dev eth0 nodad",
    ):
        subprocess.run([*there, *words.split()], check=True)
    # The host's own guards, which an administrator may have loosened.
    for link in ("all", "up0"):
        for name, value in (("route_localnet", 1), ("rp_filter", 0)):
            Path(f"/proc/sys/net/ipv4/conf/{link}/{name}").write_text(str(value))

    def open_() -> socket.socket:
        server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", 53))
        return server

    def send() -> None:
        for source, target in (
            ("192.0.2.99", "192.0.2.1"),
            ("127.0.0.5", "192.0.2.1"),
            (b.ipv4, "192.0.2.1"),
            (b.ipv6, "2001:db8::1"),
            ("2001:db8::99", "2001:db8::1"),
        ):
            family = socket.AF_INET6 if ":" in target else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM) as client:
                client.bind((source, 0))
                client.sendto(source.encode(), (target, 5353))

    server = inside(a.netns, open_)
    links_carry()
    inside(outside, send)
    found: list[str] = []
    while "2001:db8::99" not in found:
        found.append(server.recv(100).decode())
    return found


def test_a_forged_source_does_not_reach_a_published_port(tmp_path: Path) -> None:
    assert on_a_host(forged, tmp_path) == ["192.0.2.99", "2001:db8::99"]


def loopback_of_the_host(state: Path, outside: Path) -> dict[str, Any]:
    import socket
    import subprocess

    from lading.networking.driver import AttachRequest, PortMapping
    from lading.networking.kernel.namespaces import inside
    from lading.networking.routed.routed import RoutedDriver
    from suites.nethost import links_carry

    driver = RoutedDriver(state)
    plain = driver.attach(AttachRequest("plain", (), (PortMapping("192.0.2.1", 8080, 80),)))
    published = driver.attach(AttachRequest("published", (), (PortMapping(None, 8081, 80),)))
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 9000))

    def send(words: str) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
            client.sendto(words.encode(), ("127.0.0.1", 9000))

    def heard() -> list[str]:
        server.sendto(b"last", ("127.0.0.1", 9000))
        found: list[str] = []
        while "last" not in found:
            found.append(server.recv(100).decode())
        return found

    links_carry()
    for place in (plain, published):
        inside(place.netns, lambda place=place: send(place.container))
    with_rules = heard()
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    inside(plain.netns, lambda: send("plain"))
    return {"with rules": with_rules, "without": heard()}


def test_a_container_does_not_reach_the_loopback_of_the_host(tmp_path: Path) -> None:
    """Without rules, one that publishes on the loopback could: its link has to carry such packets."""
    assert on_a_host(loopback_of_the_host, tmp_path) == {"with rules": ["last"], "without": ["last"]}


def whoever(state: Path, outside: Path, who: str) -> dict[str, Any]:
    import subprocess

    from lading.networking.driver import AttachRequest, PortMapping
    from lading.networking.routed.routed import RoutedDriver
    from lading.store.errors import LadingError
    from suites.nethost import answer, listen

    one, two = RoutedDriver(state / "one"), RoutedDriver(state / "two")
    a = one.attach(AttachRequest("a", (), (PortMapping(None, 8080, 80),)))
    b, other = one.attach(AttachRequest("b")), two.attach(AttachRequest("x"))
    listen(a.netns, 80, "a")
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    {
        "detach": lambda: two.detach("x"),
        "recover": lambda: two.recover("x"),
        "recover without one's own": lambda: RoutedDriver(state / "three").recover(()),
        "join": lambda: RoutedDriver(state / "three").attach(AttachRequest("y")),
    }[who]()
    seen = {"port": answer(outside, "192.0.2.1", 8080), "sibling": answer(b.netns, a.ipv4, 80)}
    try:
        two.attach(AttachRequest("z", (), (PortMapping(None, 8080, 80),)))
    except LadingError as error:
        seen["taken"] = "the port is in use" in error.message
    one.detach("a")
    two.attach(AttachRequest("z", (), (PortMapping(None, 8080, 80),)))
    return {"who": other.container, **seen}


@pytest.mark.parametrize("who", ["detach", "recover", "recover without one's own", "join"])
def test_whoever_comes_first_restores_every_root(tmp_path: Path, who: str) -> None:
    seen = on_a_host(whoever, tmp_path, words=(who,))
    assert seen["port"]
    assert seen["sibling"]
    assert seen["taken"] is True


def last_of_two(state: Path, outside: Path) -> dict[str, Any]:
    import subprocess

    from lading.networking.driver import AttachRequest, PortMapping
    from lading.networking.routed.routed import RoutedDriver
    from suites.nethost import answer, listen

    def elements() -> int:
        said = subprocess.run(["nft", "list", "set", "inet", "lading", "same"], capture_output=True, text=True).stdout
        return said.count(" . ") - said.count("type ")

    one, two = RoutedDriver(state / "one"), RoutedDriver(state / "two")
    one.attach(AttachRequest("a", (), (PortMapping(None, 8080, 80),)))
    b, c = (two.attach(AttachRequest(name)) for name in "bc")
    listen(b.netns, 80, "b")
    seen: dict[str, Any] = {"both": elements()}
    one.detach("a")
    seen["one"] = elements(), sorted(path.name for path in state.iterdir()), bool(answer(c.netns, b.ipv4, 80))
    for name in "bc":
        two.detach(name)
    seen["none"] = elements(), sorted(path.name for path in state.iterdir())
    again = one.attach(AttachRequest("a", (), (PortMapping(None, 8080, 80),)))
    listen(again.netns, 80, "again")
    seen["again"] = elements(), bool(answer(outside, "192.0.2.1", 8080))
    return seen


def test_the_last_container_of_a_root_takes_what_is_the_roots_own(tmp_path: Path) -> None:
    seen = on_a_host(last_of_two, tmp_path)
    assert seen == {"both": 2, "one": [1, ["two"], True], "none": [0, []], "again": [1, True]}


def behind_a_forward_policy(state: Path, outside: Path) -> dict[str, Any]:
    import subprocess

    from lading.networking.driver import AttachRequest, PortMapping
    from lading.networking.routed.routed import RoutedDriver
    from suites.nethost import ask, listen

    driver = RoutedDriver(state)
    a = driver.attach(AttachRequest("a", (), (PortMapping(None, 8080, 80),)))
    b = driver.attach(AttachRequest("b"))
    listen(a.netns, 80, "a")
    listen(outside, 7, "outside")

    def nft(rules: str) -> None:
        subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)

    def look() -> list[str]:
        answers = {
            "published": ask(outside, "192.0.2.1", 8080),
            "sibling": ask(b.netns, a.ipv4, 80),
            "out": ask(a.netns, "192.0.2.99", 7),
            "loopback": ask(None, "127.0.0.1", 8080),
        }
        return [name for name, answer in answers.items() if answer]

    # As dockerd makes them: the tables that iptables-nft would, with DOCKER-USER first in FORWARD.
    nft("""
        table ip filter {
            chain DOCKER-USER { }
            chain FORWARD { type filter hook forward priority filter; policy drop; jump DOCKER-USER; }
        }
    """)
    seen = {"dropped": look()}
    nft("""
        add rule ip filter DOCKER-USER iifname "lad*" accept
        add rule ip filter DOCKER-USER oifname "lad*" accept
    """)
    seen["allowed"] = look()
    return seen


def test_beside_a_forward_policy_that_drops(tmp_path: Path) -> None:
    """As docs/networking.md says: only what the host itself says gets through until lad+ is allowed."""
    seen = on_a_host(behind_a_forward_policy, tmp_path)
    assert seen == {"dropped": ["loopback"], "allowed": ["published", "sibling", "out", "loopback"]}
