"""What steps ask of the web is recorded with the build, and answered again where nothing leaves the machine."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from suites.machine import needs
from suites.nethost import on_a_host

HTTP, HTTPS = "http://web.example.com", "https://web.example.com"
FILES = ("plain", "secure", "chunked", "posted", "moved", "one", "two", "absent", "head", "literal")
pytestmark = needs("root", "overlay", "netns", "crun", "ip", "nft", "busybox", "curl")


def recorded(state: Path, outside: Path, files: str) -> dict[str, Any]:
    import json
    import socket
    import ssl
    import subprocess
    from dataclasses import replace
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread
    from typing import cast

    from lading.build.attest.network_artifact import is_recorded_network, read_tape
    from lading.build.graph import step_links
    from lading.build.graph.request import StepSecrets
    from lading.build.graph.steps.network_recording import NetworkRecording, Replay
    from lading.networking.kernel.namespaces import inside
    from lading.registry.client_config import ClientConfig
    from lading.registry.http.transport import HttpxTransport
    from lading.runtime.containers.networks import default_driver
    from lading.runtime.lifecycle.lifecycle import RuntimeConfig
    from lading.runtime.sandbox import Sandbox
    from lading.store.content.blobs import read_blob
    from lading.store.errors import LadingError
    from lading.verify.documents import dag_artifact
    from lading.verify.documents.envelopes import Envelope
    from lading.verify.documents.links import Link
    from lading.verify.documents.statements import Statement
    from lading.verify.keys.keys import PrivateKey
    from lading.verify.observations.contacts import Contacts
    from suites.building import Bench, Key, busybox, write
    from suites.certificates import Authority
    from suites.copied_programs import copy_programs
    from suites.name_server import serve
    from suites.nethost import links_carry, listen

    HTTP, HTTPS = "http://web.example.com", "https://web.example.com"
    asked: list[str] = []

    class Web(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.tell(f"{len(asked)} {self.path}".encode() * (100_000 if self.path == "/large" else 1))

        def do_HEAD(self) -> None:
            self.tell(b"")

        def do_POST(self) -> None:
            self.tell(self.rfile.read(int(self.headers["Content-Length"]))[::-1])

        def tell(self, body: bytes) -> None:
            asked.append(f"{self.command} {self.path}")
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", "/there")
                body = b""
            else:
                self.send_response(404 if self.path == "/absent" else 200)
            if self.path == "/chunked":
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
                return
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Set-Cookie", "flavour=oat")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *words: object) -> None:  # noqa: A002 - as the base class has it
            pass

    def web(port: int, tls: bool) -> None:
        server = ThreadingHTTPServer(("192.0.2.99", port), Web)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*authority.leaf("web", "web.example.com"))
            server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, daemon=True).start()

    def name_server() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("192.0.2.99", 53))
        return made

    def found_in(built: Any) -> dict[str, Any]:
        links: dict[str, Any] = {}
        reached: dict[str, Any] = {}
        tape = None
        for descriptor in built.attestations:
            manifest = bench.manifest(descriptor)
            if is_recorded_network(manifest):
                tape = read_tape(manifest, lambda part, limit: read_blob(bench.store.blobs, part.digest, limit=limit))
            if dag_artifact.is_dag_artifact(manifest):
                for layer in manifest.layers[1:]:
                    raw = read_blob(bench.store.blobs, layer.digest)
                    link = Link.parse(Statement.parse(Envelope.parse(raw, "link").payload))
                    links[link.command[-1]] = [
                        link.byproducts.get("network"),
                        sorted(one.name or "" for one in link.materials if (one.name or "").startswith("url:")),
                        link.byproducts.get("unlisted"),
                    ]
                    contacted = Contacts.parse(link.byproducts["contacted"]).destinations
                    reached[link.command[-1]] = [[one.address, one.port, *one.names] for one in contacted]
        assert tape is not None
        exchanges = [one.value() for step in tape.steps for one in step.exchanges]
        return {"links": links, "reached": reached, "exchanges": exchanges, "raw": tape.raw().decode(), "tape": tape}

    def outcome(context: Path, **options: Any) -> str:
        try:
            return str(bench.build(context, names=("localhost/app:latest",), **options).descriptor.digest)
        except LadingError as error:
            return error.message

    state.mkdir()
    authority = Authority(state)
    (state / "resolv.conf").write_text("nameserver 192.0.2.99\n")
    subprocess.run(["mount", "--bind", state / "resolv.conf", "/etc/resolv.conf"], check=True)
    serve(inside(outside, name_server), {"web.example.com": "192.0.2.99"})
    inside(outside, lambda: web(80, tls=False))
    inside(outside, lambda: web(443, tls=True))
    links_carry()
    bench = Bench(state / "store", Key(PrivateKey.generate()))
    base = busybox(state / "base")
    write(base / "root", {"etc/own.pem": Authority(state, "other").certificate.read_text()})
    copy_programs(base / "root", "curl")
    bench.build(base, names=("localhost/base:latest",))
    sandbox = Sandbox(RuntimeConfig(bench.store.root, state / "run"), lambda: default_driver(state / "run"))
    transport = HttpxTransport(ClientConfig(ca_files=(authority.certificate,)))
    bench.environment = replace(bench.environment, executor=sandbox, transport=transport)
    get = "RUN /usr/bin/curl -sfS"
    text = f"""FROM base
RUN busybox wget -q -O /plain {HTTP}/plain
{get} -o /secure {HTTPS}/secure -o /chunked {HTTPS}/chunked
{get} -d abc -o /posted {HTTP}/post && /usr/bin/curl -sfSL -o /moved {HTTP}/moved
{get} -o /large {HTTPS}/large -o /one {HTTP}/twice -o /two {HTTP}/twice
RUN /usr/bin/curl -sS -o /absent {HTTP}/absent
RUN /usr/bin/curl -sS -I {HTTPS}/head | busybox grep -i length > /head
RUN busybox wget -q -O /literal http://192.0.2.99/literal
RUN --network=none echo x > /none
"""
    context = write(state / "context", {"Dockerfile": text})
    recording = NetworkRecording()
    first = bench.build(context, names=("localhost/app:latest",), recording=recording)
    found = found_in(first)
    tape = found.pop("tape")
    count = len(asked)
    cached = bench.build(context, names=("localhost/app:latest",), recording=recording)
    again = bench.build(
        context,
        names=("localhost/app:latest",),
        recording=NetworkRecording(Replay(tape, bench.store.blobs)),
        no_cache=True,
    )
    replay = NetworkRecording(Replay(tape, bench.store.blobs))
    refused = {}
    for name, command in (
        ("url", f"wget -q -O /x {HTTP}/other; true"),
        ("name", "wget -q -O /x http://other.example/"),
    ):
        wrong = write(state / name, {"Dockerfile": f"FROM base\nRUN busybox {command}\n"})
        refused[name] = outcome(wrong, recording=replay)
    listen(outside, 25, "220 mail")
    commands = (
        "echo 1 | busybox nc 192.0.2.99 25; echo EHLO | busybox nc 192.0.2.99 26; "
        "busybox ping -c 1 -W 1 192.0.2.99; echo x > /x"
    )
    other = write(state / "other", {"Dockerfile": f"FROM base\nRUN {commands}\n"})
    later = asked[count:]
    outcome(other, recording=recording)
    warned = list(bench.listener.warnings)
    pinned = write(state / "pinned", {"Dockerfile": f"FROM base\n{get} --cacert /etc/own.pem {HTTPS}/pinned\n"})
    refused["pinned"] = outcome(pinned, recording=recording)
    warned += bench.listener.warnings
    get_of = f"{get} -o /x {HTTP}/echo"
    lent = {
        "secret": f"FROM base\nRUN --mount=type=secret,id=tok,env=TOK {get_of[4:]}?$TOK\n",
        "token": f"FROM base AS a\nARG NPM_TOKEN\n{get_of}?$NPM_TOKEN\nFROM base\nCOPY --from=a /x /x\n",
        "channel": f"FROM base AS a\nARG CHANNEL\n{get_of}?$CHANNEL\nFROM base\nCOPY --from=a /x /x\n",
    }
    plain = bench.environment
    bench.environment = replace(plain, secrets=StepSecrets({"tok": b"opensesame-secret"}))
    arguments = {"NPM_TOKEN": "opensesame-token", "CHANNEL": "opensesame-channel"}
    outcomes = {
        name: outcome(write(state / name, {"Dockerfile": text}), recording=recording, arguments=arguments)
        for name, text in lent.items()
    }
    bench.environment = plain
    said = list(bench.listener.warnings)
    held = [path for path in bench.store.root.rglob("*") if path.is_file()]
    words = ("secret", "token", "channel")
    kept = sorted({word for path in held for word in words if f"opensesame-{word}".encode() in path.read_bytes()})
    step_links.MAX_MATERIALS = 3
    urls = " ".join(f"-o /{name} {HTTP}/{name}" for name in ("first", "second", "third"))
    many = bench.build(write(state / "many", {"Dockerfile": f"FROM base\n{get} {urls}\n"}), recording=recording)
    made = bench.files(first.descriptor)
    return {
        **found,
        "asked": asked[:count],
        "later": later,
        "cached": [report.step.text for report in cached.steps if not report.cached],
        "same": [str(one.descriptor.digest) == str(first.descriptor.digest) for one in (cached, again)],
        "tapes": found_in(again)["raw"] == found["raw"] == found_in(cached)["raw"],
        "refused": refused,
        "outcomes": outcomes,
        "said": said,
        "kept": kept,
        "replayed": found_in(again)["reached"],
        "many": found_in(many)["links"],
        "told": bench.listener.warnings,
        "warned": warned,
        "files": {name: cast("bytes", made[name][-1]).decode()[:40] for name in files.split()},
        "leftovers": [name for name in made if "lading" in name],
        "cookie": "oat" in json.dumps(found),
    }


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return on_a_host(recorded, tmp_path_factory.mktemp("recording"), words=(" ".join(FILES),))


def test_a_step_sees_the_web_as_it_is(found: dict[str, Any]) -> None:
    files = found["files"]
    assert files["posted"] == "cba"
    assert [files[name].partition(" ")[2].strip() for name in ("plain", "secure", "chunked", "moved", "absent")] == [
        "/plain",
        "/secure",
        "/chunked",
        "/there",
        "/absent",
    ]
    assert files["one"] != files["two"]
    assert files["head"].strip().lower().startswith("content-length: ")
    assert files["literal"].endswith("/literal")
    assert found["leftovers"] == []


def test_everything_that_was_asked_is_recorded(found: dict[str, Any]) -> None:
    told = [f"{one['request']['method']} {one['request']['url']}" for one in found["exchanges"]]
    paths = [f"{title.partition(' ')[0]} /{title.rpartition('/')[2]}" for title in told]
    assert sorted(paths) == sorted(found["asked"])
    assert {one["status"] for one in found["exchanges"]} == {200, 302, 404}
    (posted,) = (one for one in found["exchanges"] if one["request"]["method"] == "POST")
    assert posted["request"]["body"] == f"sha256:{hashlib.sha256(b'abc').hexdigest()}"
    assert posted["digest"] == f"sha256:{hashlib.sha256(b'cba').hexdigest()}"
    assert not found["cookie"]


def test_links_have_what_was_asked_as_materials(found: dict[str, Any]) -> None:
    links = found["links"]
    assert links[f"busybox wget -q -O /plain {HTTP}/plain"] == ["recorded", [f"url:{HTTP}/plain"], None]
    assert links["echo x > /none"] == ["none", [], None]


def test_links_have_whom_a_step_reached_by_way_of_the_recorder(found: dict[str, Any]) -> None:
    reached = found["reached"]
    assert reached[f"busybox wget -q -O /plain {HTTP}/plain"] == [["192.0.2.99", 80, "web.example.com"]]
    assert reached["busybox wget -q -O /literal http://192.0.2.99/literal"] == [["192.0.2.99", 80]]
    both = next(one for command, one in reached.items() if "/large" in command)
    assert both == [["192.0.2.99", 80, "web.example.com"], ["192.0.2.99", 443, "web.example.com"]]
    assert set(map(len, found["replayed"].values())) == {0}


def test_what_a_server_repeats_of_secrets_is_kept_nowhere(found: dict[str, Any]) -> None:
    told = found["outcomes"]
    end = "in it, which no recording may keep"
    assert (
        told["secret"]
        == f"Dockerfile:2: recorded: the answer to GET {HTTP}/echo?*** has the value of the secret tok {end}"
    )
    argument = "has the value of the build argument"
    assert told["token"] == (
        f"Dockerfile:3: recorded: the answer to GET {HTTP}/echo?${{NPM_TOKEN}} {argument} NPM_TOKEN {end}"
    )
    assert found["kept"] == ["channel"], "the one that may be kept is found by the same search"
    assert told["channel"].startswith("sha256:")
    assert (
        f"Dockerfile:3: the answer to GET {HTTP}/echo?${{CHANNEL}} {argument} CHANNEL in it, "
        "which the provenance withholds and the recording keeps"
    ) in found["said"]


def test_a_link_says_how_many_answers_it_does_not_list(found: dict[str, Any]) -> None:
    """It has room for three materials here, of which the image is one."""
    (link,) = found["many"].values()
    assert link == ["recorded", [f"url:{HTTP}/first", f"url:{HTTP}/second"], 1]
    assert (
        "Dockerfile:2: answers of the web that the recording alone has: 1 (a link lists 4096 materials)"
        in found["told"]
    )


def test_a_replay_asks_nobody_and_makes_the_same(found: dict[str, Any]) -> None:
    """What comes from the cache keeps its recording, too."""
    assert (found["cached"], found["later"]) == ([], [])
    assert found["same"] == [True, True]
    assert found["tapes"]


def test_what_was_not_recorded_fails_by_name(found: dict[str, Any]) -> None:
    assert found["refused"]["url"] == f"Dockerfile:2: replayed: GET {HTTP}/other was not recorded"
    assert found["refused"]["name"] == "Dockerfile:2: replayed: the name other.example was not recorded"


def test_what_is_not_the_web_is_blocked_by_name(found: dict[str, Any]) -> None:
    said = "\n".join(found["warned"])
    assert "192.0.2.99 port 25: neither HTTP nor HTTPS, and nothing else is recorded" in said
    assert "http://192.0.2.99:26: not HTTP/1.1, and nothing else is recorded" in said
    assert "192.0.2.99: icmp is neither HTTP nor HTTPS, and was blocked" in said


def test_a_program_that_pins_its_certificates_fails_by_name(found: dict[str, Any]) -> None:
    assert "exit code 60" in found["refused"]["pinned"]
    assert any(f"{HTTPS}: the program does not take the certificate of this build" in line for line in found["warned"])
