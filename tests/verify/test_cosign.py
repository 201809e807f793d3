"""cosign itself takes what we sign, and we take what it signs with our key file."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import INDEX, MANIFEST, Index, Manifest, parse_document
from lading.verify.documents import bundles
from lading.verify.documents.attach import Artifact, artifact
from lading.verify.documents.dag import Dag, DagNode
from lading.verify.documents.dag_artifact import artifact as dag_artifact
from lading.verify.documents.envelopes import Envelope, Signature
from lading.verify.documents.signing import sign_statement, subject_of
from lading.verify.documents.statements import SIGN, Statement
from lading.verify.evidence.evidence import ReferrerList
from lading.verify.judgement.verifier import Verifier
from lading.verify.keys.keys import PrivateKey
from suites.machine import needs
from suites.papers import CREATED, attestation, image, key, policy, provenance, signature, target, trusting
from suites.patience import PATIENCE, until

pytestmark = needs("cosign", "distribution")

OFFLINE = ["--allow-http-registry", "--insecure-ignore-tlog=true"]
WITHOUT_LOG = ["--yes", "--allow-http-registry", "--tlog-upload=false", "--use-signing-config=false"]


class Plain:
    """The least that talks to a registry without the referrers API; as `Evidence`, it reads the fallback tag."""

    name = "a plain registry"

    def __init__(self, host: str, repository: str) -> None:
        self.reference = f"{host}/{repository}"
        self._base = f"http://{host}/v2/{repository}"

    def request(self, method: str, url: str, body: bytes | None = None, kind: str = "") -> tuple[bytes, str]:
        url = url if url.startswith("http") else self._base + url
        headers = {"Content-Type": kind or "application/octet-stream", "Accept": f"{MANIFEST}, {INDEX}"}
        with urllib.request.urlopen(
            urllib.request.Request(url, body, headers, method=method), timeout=PATIENCE
        ) as answer:
            return answer.read(), answer.headers.get("Location", "")

    def put_blob(self, data: bytes) -> None:
        _, place = self.request("POST", "/blobs/uploads/")
        self.request("PUT", f"{place}{'&' if '?' in place else '?'}digest={Digest.of(data)}", data)

    def put_image(self, manifest: Manifest, config: bytes, layer: bytes) -> str:
        self.put_blob(config)
        self.put_blob(layer)
        self.request("PUT", f"/manifests/{manifest.descriptor.digest}", manifest.raw, MANIFEST)
        return f"{self.reference}@{manifest.descriptor.digest}"

    def attach(self, subject: Descriptor, *artifacts: Artifact) -> None:
        for item in artifacts:
            for data in item.blobs:
                self.put_blob(data)
            self.request("PUT", f"/manifests/{item.descriptor.digest}", item.manifest, MANIFEST)
        listed = [item.descriptor.json() for item in artifacts]
        raw = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}).encode()
        self.request("PUT", f"/manifests/sha256-{subject.digest.hex}", raw, INDEX)

    def referrers(self, subject: Descriptor) -> ReferrerList:
        tag = f"sha256-{subject.digest.hex}"
        found: list[Descriptor] = []
        for name in (tag, f"{tag}.sig", f"{tag}.att"):
            try:
                raw, _ = self.request("GET", f"/manifests/{name}")
            except urllib.error.HTTPError:
                continue
            document = parse_document(raw, None, name)
            found += document.manifests if isinstance(document, Index) else [document.descriptor]
        return ReferrerList(tuple(found))

    def read(self, descriptor: Descriptor, *, limit: int) -> bytes:
        kind = "manifests" if descriptor.media_type in (MANIFEST, INDEX) else "blobs"
        return self.request("GET", f"/{kind}/{descriptor.digest}")[0]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("registry")
    settings = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": "127.0.0.1:0"},
    }
    (folder / "settings.yml").write_text(json.dumps(settings))
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(["registry", "serve", folder / "settings.yml"], stderr=output, stdout=output)
    try:
        yield listening(log)
    finally:
        process.kill()
        process.wait()


def listening(log: Path) -> str:
    """Where the registry says that it listens."""
    said = re.compile(r"listening on (127\.0\.0\.1:\d+)")
    until(lambda: said.search(log.read_text()), "the registry's address")
    return said.findall(log.read_text())[0]


@pytest.fixture
def place(host: str, request: pytest.FixtureRequest) -> Plain:
    return Plain(host, re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-"))


@pytest.fixture
def public(tmp_path: Path) -> Path:
    (tmp_path / "own.pub").write_bytes(key("own").public.pem)
    return tmp_path / "own.pub"


def cosign(*words: str | Path, password: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"COSIGN_PASSWORD": password, "HOME": "/nonexistent"}
    return subprocess.run(
        ["cosign", *map(str, words)], capture_output=True, text=True, env=environment, check=False, timeout=PATIENCE
    )


APP = image("app")


def push(place: Plain) -> str:
    return place.put_image(APP, b'"app"', b"app")


@pytest.mark.parametrize("name", [None, "example.com/app"])
def test_cosign_verifies_our_signature(place: Plain, public: Path, name: str | None) -> None:
    reference = push(place)
    place.attach(APP.descriptor, signature(APP.descriptor, name=name))
    done = cosign("verify", *OFFLINE, "--key", public, reference)
    assert done.returncode == 0, done.stderr


def test_cosign_verifies_our_provenance_beside_the_dag(place: Plain, public: Path) -> None:
    reference = push(place)
    dag = dag_artifact(APP.descriptor, Dag((DagNode("FROM scratch", "linux/amd64"),)), [])
    place.attach(APP.descriptor, dag, provenance(APP.descriptor), signature(APP.descriptor))
    done = cosign("verify-attestation", *OFFLINE, "--key", public, "--type", "slsaprovenance1", reference)
    assert done.returncode == 0, done.stderr
    assert cosign("verify", *OFFLINE, "--key", public, reference).returncode == 0
    assert cosign("verify-attestation", *OFFLINE, "--key", public, "--type", "vuln", reference).returncode != 0


def test_cosign_refuses_what_was_tampered_with_and_so_do_we(place: Plain, public: Path) -> None:
    reference = push(place)
    signed = sign_statement(Statement((subject_of(APP.descriptor),), SIGN), key("own"))
    swapped = replace(signed, payload=signed.payload.replace(b"predicate", b"predicatE", 1))
    place.attach(APP.descriptor, artifact(APP.descriptor, bundles.write(swapped, key("own").public), SIGN, CREATED))
    assert cosign("verify", *OFFLINE, "--key", public, reference).returncode != 0
    with pytest.raises(Exception, match=r"missing|unknown|not signed|upper and lower case"):
        Verifier(trusting("own")).verify(target(APP), [place])


def test_cosign_wants_no_key_id(place: Plain, public: Path) -> None:
    """Why ours is left out; the day this fails it could be written."""
    reference = push(place)
    signed = sign_statement(Statement((subject_of(APP.descriptor),), SIGN), key("own"))
    hinted = Envelope(
        signed.payload_type, signed.payload, (Signature(signed.signatures[0].sig, key("own").public.hint),)
    )
    place.attach(APP.descriptor, artifact(APP.descriptor, bundles.write(hinted, key("own").public), SIGN, CREATED))
    assert cosign("verify", *OFFLINE, "--key", public, reference).returncode != 0
    assert Verifier(trusting("own")).verify(target(APP), [place])


def test_cosign_signs_and_attests_with_our_key_file(place: Plain, tmp_path: Path) -> None:
    reference = push(place)
    own = tmp_path / "cosign.key"
    own.write_bytes(key("own").write(b"pw"))
    predicate = tmp_path / "predicate.json"
    predicate.write_text(json.dumps({"approved": True}))
    for words in (
        ["sign", *WITHOUT_LOG, "-a", "env=prod"],
        ["attest", *WITHOUT_LOG, "--type", "https://example.com/review", "--predicate", predicate],
    ):
        done = cosign(*words, "--key", own, reference, password="pw")
        assert done.returncode == 0, done.stderr
    asked = policy(
        "scopes: {default: {signed_by: {keys: [own], annotations: {env: prod}},"
        " require: [{type: 'https://example.com/review'}]}}\n",
        "own",
    )
    assert len(Verifier(asked).verify(target(APP), [place]).evidence) == 2


def test_cosign_s_older_form_with_our_key_file(place: Plain, tmp_path: Path) -> None:
    reference = push(place)
    own = tmp_path / "cosign.key"
    own.write_bytes(key("own").write(b""))
    done = cosign("sign", *WITHOUT_LOG, "--new-bundle-format=false", "--key", own, reference)
    assert done.returncode == 0, done.stderr
    assert Verifier(trusting("own")).verify(target(APP), [place])


def test_key_files_both_ways(tmp_path: Path) -> None:
    own = tmp_path / "own.key"
    own.write_bytes(key("own").write(b"pw"))
    assert cosign("public-key", "--key", own, password="pw").stdout.encode() == key("own").public.pem
    assert cosign("public-key", "--key", own, password="wrong").returncode != 0
    made = cosign("generate-key-pair", "--output-key-prefix", tmp_path / "theirs", password="secret")
    assert made.returncode == 0, made.stderr
    theirs = PrivateKey.read((tmp_path / "theirs.key").read_bytes(), b"secret")
    assert theirs.public.pem == (tmp_path / "theirs.pub").read_bytes()


def test_an_attestation_of_any_type(place: Plain, public: Path) -> None:
    reference = push(place)
    place.attach(APP.descriptor, attestation(APP.descriptor, "https://example.com/review", {"approved": True}))
    done = cosign("verify-attestation", *OFFLINE, "--key", public, "--type", "https://example.com/review", reference)
    assert done.returncode == 0, done.stderr
