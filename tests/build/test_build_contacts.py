"""What the steps of a build contacted stands in their links and in the provenance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from suites.machine import needs
from suites.nethost import on_a_host

pytestmark = needs("root", "overlay", "netns", "crun", "ip", "nft", "busybox")


def built(state: Path, outside: Path) -> dict[str, Any]:
    import socket
    import subprocess
    from dataclasses import replace

    from lading.build.graph.request import StepSecrets
    from lading.networking.kernel.namespaces import inside
    from lading.runtime.containers.networks import default_driver
    from lading.runtime.lifecycle.lifecycle import RuntimeConfig
    from lading.runtime.sandbox import Sandbox
    from lading.store.content.blobs import read_blob
    from lading.verify.documents import bundles, dag_artifact
    from lading.verify.documents.envelopes import Envelope
    from lading.verify.documents.links import CONTACTED, Link
    from lading.verify.documents.provenance import Provenance
    from lading.verify.documents.statements import PROVENANCE, Statement
    from lading.verify.keys.keys import PrivateKey
    from suites.building import Bench, Key, busybox, write
    from suites.name_server import serve
    from suites.nethost import links_carry, listen

    def name_server() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("192.0.2.99", 53))
        return made

    def sandbox(bench: Bench, driver: Any) -> None:
        config = RuntimeConfig(bench.store.root, state / "run")
        bench.environment = replace(bench.environment, executor=Sandbox(config, driver))

    def told(bench: Bench, attestations: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for descriptor in attestations:
            manifest = bench.manifest(descriptor)
            blobs = [read_blob(bench.store.blobs, layer.digest) for layer in manifest.layers]
            if dag_artifact.is_dag_artifact(manifest):
                links = [Link.parse(Statement.parse(Envelope.parse(blob, "link").payload)) for blob in blobs[1:]]
                found |= {link.command[-1]: link.byproducts[CONTACTED] for link in links if link.byproducts}
                continue
            statement = Statement.parse(bundles.parse(blobs[0]).envelope.payload)
            if statement.predicate_type == PROVENANCE:
                found["provenance"] = Provenance.parse(statement).internal[CONTACTED]
        return found

    names = ("files.example.com", "open-sesame.example.com", "another-part.example.com")
    state.mkdir()
    (state / "resolv.conf").write_text("nameserver 192.0.2.99\n")
    subprocess.run(["mount", "--bind", state / "resolv.conf", "/etc/resolv.conf"], check=True)
    serve(inside(outside, name_server), dict.fromkeys(names, "192.0.2.99"))
    for port in (80, 8080):
        listen(outside, port, "HTTP/1.0 200 OK\r\n\r\nfetched")
    links_carry()
    bench = Bench(state / "store", Key(PrivateKey.generate()))
    bench.build(busybox(state / "base"), names=("localhost/base:latest",))
    one = "wget -q -O /one http://files.example.com/"
    two = "nc 192.0.2.99 8080 </dev/null >/two"
    nothing = "nc 192.0.2.99 8080 </dev/null >/dev/null"
    text = f"""
FROM base AS one
RUN busybox {one}
FROM base AS two
RUN busybox {two}
FROM base
COPY --from=one /one /
COPY --from=two /two /
RUN busybox {nothing}
RUN --network=none echo x > /none
"""
    context = write(state / "context", {"Dockerfile": text})
    sandbox(bench, lambda: default_driver(state / "run"))
    first = bench.build(context, names=("localhost/app:latest",), jobs=4)
    again = bench.build(context, names=("localhost/other:latest",), jobs=4)
    secret = "RUN --mount=type=secret,id=tok,env=TOK busybox nslookup $TOK.example.com"
    first_stage = "FROM base AS a\nARG PART\nRUN busybox nslookup $PART.example.com\n"
    lent = f"{first_stage}FROM base\n{secret} >/x\nCOPY --from=a / /a\n"
    bench.environment = replace(bench.environment, secrets=StepSecrets({"tok": b"Open-Sesame"}))
    asked = bench.build(write(state / "lent", {"Dockerfile": lent}), arguments={"PART": "another-part"})
    sandbox(bench, None)
    shared = bench.build(context, names=("localhost/app:latest",), no_cache=True)
    return {
        "first": told(bench, first.attestations),
        "again": told(bench, again.attestations),
        "shared": told(bench, shared.attestations),
        "lent": told(bench, asked.attestations),
        "same": shared.descriptor == first.descriptor,
        "executed": [report.step.text for report in again.steps if not report.cached],
    }


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return on_a_host(built, tmp_path_factory.mktemp("contacts"))


def _entry(protocol: str, port: int) -> dict[str, object]:
    return {"protocol": protocol, "address": "192.0.2.99", "port": port}


ONE = {
    "state": "observed",
    "destinations": [
        {**_entry("tcp", 80), "names": ["files.example.com"]},
        {**_entry("udp", 53), "names": ["files.example.com"]},
    ],
}


def test_each_step_has_its_own_destinations(found: dict[str, Any]) -> None:
    links = found["first"]
    assert links["busybox wget -q -O /one http://files.example.com/"] == ONE
    assert links["busybox nc 192.0.2.99 8080 </dev/null >/two"] == {
        "state": "observed",
        "destinations": [_entry("tcp", 8080)],
    }
    assert links["echo x > /none"] == {"state": "observed", "destinations": []}


def test_no_name_has_a_secret_or_the_value_of_a_build_argument(found: dict[str, Any]) -> None:
    """Names are asked as programs like, in capitals too."""
    told = {name for one in found["lent"]["provenance"]["destinations"] for name in one.get("names", ())}
    assert told == {"***.example.com", "${PART}.example.com"}


def test_the_provenance_has_all_of_them(found: dict[str, Any]) -> None:
    assert found["first"]["provenance"] == {
        "state": "observed",
        "destinations": [
            {**_entry("tcp", 80), "names": ["files.example.com"]},
            _entry("tcp", 8080),
            {**_entry("udp", 53), "names": ["files.example.com"]},
        ],
    }


def test_what_comes_from_the_cache_keeps_what_was_seen(found: dict[str, Any]) -> None:
    assert found["executed"] == []
    assert found["again"] == found["first"]


def test_a_network_shared_with_the_host_is_unobserved(found: dict[str, Any]) -> None:
    """Which makes no other image."""
    words = {"state": "unobserved", "reason": "the step shared the host's network"}
    assert found["shared"]["busybox nc 192.0.2.99 8080 </dev/null >/two"] == words
    assert found["shared"]["provenance"]["state"] == "unobserved"
    assert found["same"]
