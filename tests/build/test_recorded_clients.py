"""Programs as people use them, recorded over HTTPS and replayed: each finds the authority of the step by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from suites.machine import needs
from suites.nethost import on_a_host

pytestmark = needs("root", "netns", "ip", "nft", "curl", "git", "apt-get", "go", "unshare", "openssl")


def clients(state: Path, outside: Path) -> dict[str, Any]:
    import gzip
    import hashlib
    import json
    import os
    import shutil
    import socket
    import ssl
    import subprocess
    import sys
    import tarfile
    import zipfile
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    from lading.build.operations.running.recording import trusting
    from lading.build.operations.running.recording.build_authority import BuildAuthority
    from lading.build.operations.running.recording.web_gateway import WebGateway
    from lading.build.operations.running.recording.web_recorder import WebRecorder
    from lading.build.operations.running.recording.web_replayer import WebReplayer
    from lading.build.operations.running.recording.withheld_values import Readings, WithheldValues
    from lading.networking.enclosed.enclosure import NAME_SERVER, Enclosure
    from lading.networking.kernel.namespaces import inside
    from lading.registry.client_config import ClientConfig
    from lading.registry.http.transport import HttpxTransport
    from lading.store.store import Store
    from lading.verify.observations.exchanges import NetworkTape
    from suites.certificates import Authority
    from suites.name_server import serve
    from suites.nethost import links_carry

    asked: list[str] = []
    site = state / "site"
    base = "https://web.example.com"

    class Files(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __init__(self, *words: Any, **more: Any) -> None:
            super().__init__(*words, directory=str(site), **more)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            del code, size
            asked.append(self.path)

    def web() -> None:
        server = ThreadingHTTPServer(("192.0.2.99", 443), Files)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.leaf("web", "web.example.com"))
        server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, daemon=True).start()

    def name_server() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("192.0.2.99", 53))
        return made

    def put(name: str, content: bytes | str) -> bytes:
        data = content.encode() if isinstance(content, str) else content
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(data)
        return data

    def wheel() -> None:
        name = "example-1.0-py3-none-any.whl"
        (site / "simple/example").mkdir(parents=True)
        with zipfile.ZipFile(site / "simple/example" / name, "w") as archive:
            archive.writestr("example.py", "")
            archive.writestr("example-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: example\nVersion: 1.0\n")
            archive.writestr(
                "example-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr("example-1.0.dist-info/RECORD", "")
        put("simple/example/index.html", f'<a href="{name}">{name}</a>')

    def module() -> None:
        place = "go/example.com/m/@v"
        put(f"{place}/v1.0.0.info", '{"Version":"v1.0.0"}')
        put(f"{place}/v1.0.0.mod", "module example.com/m\n")
        with zipfile.ZipFile(site / place / "v1.0.0.zip", "w") as archive:
            archive.writestr("example.com/m@v1.0.0/go.mod", "module example.com/m\n")
            archive.writestr("example.com/m@v1.0.0/m.go", "package m\n")

    def node() -> None:
        (state / "package").mkdir()
        (state / "package/package.json").write_text('{"name":"example","version":"1.0.0"}')
        (site / "npm/example/-").mkdir(parents=True)
        with tarfile.open(site / "npm/example/-/example-1.0.0.tgz", "w:gz") as archive:
            archive.add(state / "package/package.json", "package/package.json")
        digest = hashlib.sha1((site / "npm/example/-/example-1.0.0.tgz").read_bytes()).hexdigest()
        dist = {"tarball": f"{base}/npm/example/-/example-1.0.0.tgz", "shasum": digest}
        versions = {"1.0.0": {"name": "example", "version": "1.0.0", "dist": dist}}
        put(
            "npm/example/index.html",
            json.dumps({"name": "example", "dist-tags": {"latest": "1.0.0"}, "versions": versions}),
        )

    def repository() -> None:
        place = site / "repository.git"
        words = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-C"]
        subprocess.run(["git", "init", "-q", state / "work"], check=True)
        (state / "work/file").write_text("content\n")
        subprocess.run([*words, state / "work", "add", "."], check=True)
        subprocess.run([*words, state / "work", "commit", "-q", "-m", "x"], check=True)
        subprocess.run(["git", "clone", "-q", "--bare", state / "work", place], check=True)
        subprocess.run(["git", "-C", place, "update-server-info"], check=True)

    def archive() -> None:
        packages = put("debian/Packages", "Package: example\nVersion: 1\nArchitecture: all\nFilename: x\nSize: 1\n\n")
        put("debian/Packages.gz", gzip.compress(packages, mtime=0))
        digests = "".join(
            f" {hashlib.sha256((site / 'debian' / name).read_bytes()).hexdigest()} "
            f"{(site / 'debian' / name).stat().st_size} {name}\n"
            for name in ("Packages", "Packages.gz")
        )
        put("debian/Release", f"Suite: x\nDate: Sun, 29 Nov 2020 00:00:00 UTC\nSHA256:\n{digests}")

    state.mkdir()
    site.mkdir()
    authority = Authority(state)
    for make in (wheel, module, node, repository, archive):
        make()
    put("plain", "plain\n" * 1000)
    (state / "Fetch.java").write_text(
        "public class Fetch { public static void main(String[] a) throws Exception {"
        " System.out.println(new String(new java.net.URL(a[0]).openStream().readAllBytes()).length()); } }"
    )
    (state / "resolv.conf").write_text("nameserver 192.0.2.99\n")
    (state / "enclosed.conf").write_text(f"nameserver {NAME_SERVER}\n")
    subprocess.run(["mount", "--bind", state / "resolv.conf", "/etc/resolv.conf"], check=True)
    serve(inside(outside, name_server), {"web.example.com": "192.0.2.99"})
    inside(outside, web)
    links_carry()
    store = Store.open(state / "store")
    transport = HttpxTransport(ClientConfig(ca_files=(authority.certificate,)))
    home = state / "home"
    apt = (
        f"-o Dir={home}/apt -o Dir::State={home}/apt -o Dir::Cache={home}/apt -o Dir::State::status=/dev/null"
        f" -o Dir::Etc::sourcelist={state}/sources -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root"
    )
    (state / "sources").write_text(f"deb [trusted=yes] {base}/debian ./\n")
    commands = {
        "curl": f"curl -sfS {base}/plain | wc -c",
        "wget": f"wget -q -O - {base}/plain | wc -c",
        "openssl": "printf 'GET /plain HTTP/1.0\\r\\n\\r\\n' | openssl s_client -quiet -verify_return_error"
        " -servername web.example.com -connect web.example.com:443 2>/dev/null | grep -c plain",
        "python3": f"{sys.executable} -c 'import urllib.request as u; print(len(u.urlopen(\"{base}/plain\").read()))'",
        "pip": f"{sys.executable} -m pip download -q --no-deps --no-cache-dir --isolated --disable-pip-version-check"
        f" --index-url {base}/simple -d {home} example && ls {home}/*.whl | wc -l",
        "go": f"cd {home} && go mod download -json example.com/m@v1.0.0 | grep -c Zip",
        "git": f"git clone -q {base}/repository.git {home}/clone && cat {home}/clone/file",
        "apt-get": f"mkdir -p {home}/apt/lists/partial {home}/apt/archives/partial && apt-get {apt} update -qq"
        f" && apt-cache {apt} show example | grep -c Version",
        "npm": f"cd {home} && npm pack example --silent --registry {base}/npm/",
        "node": f"node -e 'fetch(\"{base}/plain\").then(r => r.text()).then(t => console.log(t.length))'",
        "java": f"java {state}/Fetch.java {base}/plain",
    }
    path = f"{os.environ['PATH']}:/usr/local/go/bin"
    there = [name for name in commands if shutil.which(name, path=path)]
    own = {
        "PATH": path,
        "HOME": str(home),
        "GOPROXY": f"{base}/go",
        "GONOSUMDB": "*",
        "GOFLAGS": "-modcacherw",
        "GOTOOLCHAIN": "local",
        **dict(trusting.variables()),
    }

    def run(name: str, answers: Any) -> list[str]:
        """What the client says, and what the gateway says of it."""
        told: list[str] = []
        built = BuildAuthority()
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        for file in trusting.files(built):
            Path(file.target).parent.mkdir(parents=True, exist_ok=True)
            Path(file.target).write_bytes(file.content)
        gateway = WebGateway(answers, built, told.append)
        made = Enclosure(state / "netns", gateway)
        script = f"mount --bind {state}/enclosed.conf /etc/resolv.conf\n{commands[name]}"
        words = ["nsenter", f"--net={state}/netns", "unshare", "-m", "sh", "-c", script]
        done = subprocess.run(words, env=own, capture_output=True, text=True, check=False)
        gateway.settle()
        made.close()
        return [done.stdout.strip() or done.stderr.strip()[-500:], *told]

    found: dict[str, Any] = {}
    for name in there:
        recorder = WebRecorder(transport, store.blobs, WithheldValues())
        first = run(name, recorder)
        tape = NetworkTape((recorder.tape(("x",)),))
        count = len(asked)
        replayer = WebReplayer(tape, ("x",), store.blobs, Readings.of({}, {}, {}))
        again = run(name, replayer)
        found[name] = [first, again, replayer.missed, len(asked) - count, len(tape.steps[0].exchanges) > 0]
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return on_a_host(clients, tmp_path_factory.mktemp("clients"))


SAID = {
    "curl": "6000",
    "wget": "6000",
    "openssl": "1000",
    "python3": "6000",
    "pip": "1",
    "go": "1",
    "git": "content",
    "apt-get": "1",
    "npm": "example-1.0.0.tgz",
    "node": "6000",
    "java": "6000",
}


@pytest.mark.parametrize("name", SAID)
def test_a_client_is_recorded_and_replayed(found: dict[str, Any], name: str) -> None:
    if name not in found:
        assert name in ("wget", "npm", "node", "java"), "a machine without it has nothing to show"
        return
    assert found[name] == [[SAID[name]], [SAID[name]], [], 0, True]
