"""A network that ends at its own loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from suites.machine import needs
from suites.nethost import on_a_host

pytestmark = needs("root", "netns", "ip", "nft", "ipv6", "busybox", "curl")


def enclosed(state: Path, outside: Path) -> dict[str, Any]:
    import socket
    import subprocess

    from lading.networking.enclosed.enclosure import NAME_SERVER, Enclosure

    class Echo:
        def __init__(self) -> None:
            self.asked: list[str] = []

        def resolves(self, name: str) -> bool:
            self.asked.append(name)
            return name.endswith("example.com")

        def serve(self, connection: socket.socket, host: str, port: int) -> None:
            connection.recv(4096)
            body = f"{host} {port}".encode()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    def said(*words: str) -> str:
        words = ("nsenter", f"--net={state}", *words)
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout

    subprocess.run(["mount", "--bind", "/dev/null", "/etc/hosts"], check=True)
    (state.parent / "resolv.conf").write_text(f"nameserver {NAME_SERVER}\n")
    subprocess.run(["mount", "--bind", state.parent / "resolv.conf", "/etc/resolv.conf"], check=True)
    gateway = Echo()
    made = Enclosure(state, gateway)
    found: dict[str, Any] = {
        "by name": said("curl", "-s", "http://WWW.example.com:8080/"),
        "again": said("curl", "-s", "http://www.example.com/"),
        "by v4": said("curl", "-s", "http://192.0.2.99/"),
        "by v6": said("curl", "-s", "http://[2001:db8::99]:81/"),
        "unknown": said("curl", "-s", "http://www.example.org/"),
        "server": "alias" not in said("busybox", "nslookup", "six.example.com", "192.0.2.99"),
        "loopback": said("curl", "-s", "http://127.0.0.1:80/"),
        "ping": said("ping", "-c", "1", "-W", "1", "192.0.2.99") + said("busybox", "ping", "-c", "1", "192.0.2.98"),
        "udp": said("bash", "-c", "echo x > /dev/udp/www.example.com/123"),
    }
    found["blocked"] = [[one.protocol, one.address, one.port, *one.names] for one in made.blocked().destinations]
    found["asked"] = sorted(set(gateway.asked))
    made.close()
    found["gone"] = not state.exists()
    return found


def test_everything_reaches_the_gateway_or_nobody(tmp_path: Path) -> None:
    found = on_a_host(enclosed, tmp_path)
    assert found["by name"] == "www.example.com 8080"
    assert found["again"] == "www.example.com 80"
    assert found["by v4"] == "192.0.2.99 80"
    assert found["by v6"] == "2001:db8::99 81"
    assert [found[name] for name in ("unknown", "loopback", "udp")] == ["", "", ""]
    assert " 0% packet loss" not in found["ping"]
    assert ["udp", "198.18.0.2", 123, "www.example.com"] in found["blocked"]
    assert any(protocol == "icmp" for protocol, *_ in found["blocked"])
    assert found["asked"] == ["six.example.com", "www.example.com", "www.example.org"]
    assert found["gone"]
