"""Images of packages, from an archive made for the test."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.build.debian.builder import build_debian
from lading.build.request import BuildRequest, Built
from lading.store.errors import InputError, LadingError
from lading.verify.dag_artifact import read_artifact
from lading.verify.evidence import StoreEvidence
from lading.verify.keys import PrivateKey
from lading.verify.policy import NamedKey, Policy
from lading.verify.provenance import DEBIAN_BUILD, Provenance
from lading.verify.targets import Target
from lading.verify.verifier import Verifier
from suites.building import Bench, Key
from suites.debian_archive import Archive, archive
from suites.machine import needs

pytestmark = needs("root", "overlay", "apt-get", "gpg", "gpgv", "dpkg-deb")

SPEC = """
version = 1
[debian]
packages = ["tool", "certs"]
[image]
cmd = ["/usr/bin/tool"]
env = { A = "b" }
labels = { from = "file" }
expose = ["80"]
"""


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Archive]:
    folder = tmp_path / "archive"
    folder.mkdir()
    with archive(folder) as made:
        made.add("tool", {"bin/tool": "#!/bin/sh\n", "lib/x/deep": "1"}, Depends="library")
        made.add("library", {"usr/lib/x/shared": "code", "lib/library.so": "elf"})
        certificates = {"usr/share/ca-certificates/b.crt": "B\n", "usr/share/ca-certificates/a.crt": "A"}
        made.add("certs", certificates)
        made.publish()
        yield made


@pytest.fixture
def system(tmp_path: Path, source: Archive) -> Path:
    root = tmp_path / "system"
    (root / "etc/apt/sources.list.d").mkdir(parents=True)
    (root / "etc/os-release").write_text("ID=debian\nVERSION_CODENAME=testing\n")
    (root / "etc/apt/sources.list").write_text(f"deb [signed-by={source.key}] {source.uri} testing main\n")
    return root


@pytest.fixture
def key() -> Key:
    return Key(PrivateKey.generate())


def build(bench: Bench, system: Path, spec: str = SPEC, fresh: bool = False, **options: object) -> Built:
    file = system / "base.toml"
    file.write_text(spec)
    request = BuildRequest(system, file=file, **options)  # type: ignore[arg-type]
    return build_debian(request, bench.tools, fresh=fresh, system=system)


def test_the_files_are_the_packages_on_a_merged_system(tmp_path: Path, system: Path, source: Archive, key: Key) -> None:
    bench = Bench(tmp_path / "root", key)
    built = build(bench, system)
    files = bench.files(built.descriptor)
    expected = tmp_path / "expected"
    for deb in sorted((source.root / "pool").glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", deb, expected], check=True)
    for name in ("bin", "lib"):
        shutil.copytree(expected / name, expected / "usr" / name, dirs_exist_ok=True, symlinks=True)
        shutil.rmtree(expected / name)
    for path in expected.rglob("*"):
        if path.is_file():
            assert files[str(path.relative_to(expected))][3] == path.read_bytes()
    assert files["bin"][3] == "usr/bin"
    assert files["lib"][3] == "usr/lib"
    assert files["etc/ssl/certs/ca-certificates.crt"][3] == b"A\nB\n"
    assert files["etc/passwd"][3].startswith(b"root:x:0:0:")  # type: ignore[union-attr]
    assert files["tmp"][0] == oct(0o41777)
    assert b"Package: tool" in files["var/lib/dpkg/status.d/tool"][3]  # type: ignore[operator]


def test_the_config_is_the_files(tmp_path: Path, system: Path, key: Key) -> None:
    bench = Bench(tmp_path / "root", key)
    built = build(bench, system, labels={"from": "call"})
    config = bench.store.config(bench.manifest(built.descriptor))
    assert config.cmd == ("/usr/bin/tool",)
    assert "A=b" in config.env
    assert config.exposed_ports == ("80/tcp",)
    assert config.labels == {"from": "call"}
    assert config.created == "1980-01-01T00:00:00Z"
    assert len(config.diff_ids) == len(config.history) == 4


def test_saved_lists_give_the_same_digest_in_another_root(
    tmp_path: Path, system: Path, source: Archive, key: Key
) -> None:
    first = Bench(tmp_path / "root", key)
    first_built = build(first, system)
    digest = first_built.descriptor.digest
    source.add("library", {"usr/lib/library.so": "newer"}, version="2.0")
    source.publish()
    second = Bench(tmp_path / "another", key, clock=lambda: 2e9)
    shutil.copytree(tmp_path / "root/cache", tmp_path / "another/cache")
    previous = os.umask(0o077)
    try:
        built = build(second, system)
        assert second.files(built.descriptor) == first.files(first_built.descriptor)
        assert built.descriptor.digest == digest
    finally:
        os.umask(previous)
    assert build(second, system, fresh=True).descriptor.digest != digest


def test_an_unchanged_build_does_nothing_and_opens_no_key(
    tmp_path: Path, system: Path, source: Archive, key: Key
) -> None:
    bench = Bench(tmp_path / "root", key)
    first = build(bench, system, names=("localhost/base:latest",))
    opened, asked = key.opened, len(source.requests)
    again = build(bench, system, names=("localhost/base:latest",))
    assert again.reused
    assert (again.descriptor, again.attestations) == (first.descriptor, first.attestations)
    assert (key.opened, len(source.requests)) == (opened, asked)
    other = build(bench, system, names=("localhost/other:latest",))
    assert other.descriptor == first.descriptor
    assert key.opened == opened + 1


def test_everything_chains_to_the_signed_release(tmp_path: Path, system: Path, source: Archive, key: Key) -> None:
    bench = Bench(tmp_path / "root", key)
    built = build(bench, system, names=("localhost/base:latest",))
    manifest = bench.manifest(built.descriptor)
    policy = Policy.trusting(NamedKey("own", key.key.public))
    target = Target(manifest, names=("localhost/base:latest",))
    verdict = Verifier(policy).verify(target, [StoreEvidence(bench.store)])
    assert verdict.base_standing == "none"
    statements = [item.statement for item in verdict.decision.candidates if item.statement is not None]
    provenance = next(Provenance.parse(item) for item in statements if "slsa" in item.predicate_type)
    assert provenance.build_type == DEBIAN_BUILD
    found = {item.name: item for item in provenance.dependencies}
    import hashlib

    release = hashlib.sha256(source.inrelease.read_bytes()).hexdigest()
    assert found["release:testing"].digest == {"sha256": release}
    for name in ("tool", "library", "certs"):
        deb = (source.root / f"pool/{name}_1.0_all.deb").read_bytes()
        item = found[f"{name} 1.0"]
        assert item.digest == {"sha256": hashlib.sha256(deb).hexdigest()}
        assert item.uri == f"pkg:deb/debian/{name}@1.0?arch=all"
        assert item.annotations["release"] == release
    assert provenance.internal["datesChecked"] in (True, False)


def test_every_layer_has_a_signed_link(tmp_path: Path, system: Path, key: Key) -> None:
    bench = Bench(tmp_path / "root", key)
    built = build(bench, system)
    manifest = bench.manifest(built.descriptor)
    artifact_digest = next(item for item in built.attestations if "dag" in (item.artifact_type or ""))
    artifact = read_artifact(
        bench.manifest(artifact_digest), lambda part, limit: bench.store.blobs.open(part.digest).read(limit)
    )
    assert [node.layer.digest for node in artifact.dag.nodes if node.layer] == [
        layer.digest for layer in manifest.layers
    ]
    assert all(envelope.signed_by(key.key.public) for envelope in artifact.envelopes)
    assert [link.materials[0].name for link in artifact.links][:3] == [
        "url:pool/certs_1.0_all.deb",
        "url:pool/library_1.0_all.deb",
        "url:pool/tool_1.0_all.deb",
    ]
    assert len(artifact.links[3].materials) == 3


def test_all_in_one_layer_with_a_linker_cache(tmp_path: Path, system: Path, key: Key) -> None:
    bench = Bench(tmp_path / "root", key)
    spec = SPEC.replace("[image]", 'layers = "one"\nld_so_cache = true\n[image]')
    built = build(bench, system, spec)
    assert len(bench.manifest(built.descriptor).layers) == 2
    assert "etc/ld.so.cache" in bench.files(built.descriptor)


@pytest.mark.parametrize(
    ("spec", "options", "complaint"),
    [
        (SPEC.replace('"tool"', '"nonsense"'), {}, "nonsense: no such package"),
        (SPEC.replace("[debian]", '[debian]\nsuite = "stable"'), {}, ""),
        (SPEC, {"target": "stage"}, "--target is for Dockerfiles"),
        (SPEC, {"arguments": {"A": "b"}}, "--build-arg is for Dockerfiles"),
        ("version = 1", {}, "debian: missing"),
    ],
)
def test_what_cannot_be_built_is_one_line(
    tmp_path: Path, system: Path, key: Key, spec: str, options: dict, complaint: str
) -> None:
    bench = Bench(tmp_path / "root", key)
    with pytest.raises(LadingError) as caught:
        build(bench, system, spec, **options)
    assert complaint in caught.value.message
    assert bench.store.references() == []


def test_a_source_without_signatures_is_refused(tmp_path: Path, system: Path, source: Archive, key: Key) -> None:
    (system / "etc/apt/sources.list").write_text(f"deb [trusted=yes] {source.uri} testing main\n")
    with pytest.raises(InputError, match="trusted=yes"):
        build(Bench(tmp_path / "root", key), system)


def test_a_layer_that_was_collected_is_made_again(tmp_path: Path, system: Path, key: Key) -> None:
    bench = Bench(tmp_path / "root", key)
    built = build(bench, system)
    layer = bench.manifest(built.descriptor).layers[0]
    bench.store.blobs.delete(layer.digest)
    assert build(bench, system).descriptor == built.descriptor
    assert bench.store.blobs.size(layer.digest) == layer.size
    assert json.loads(bench.store.blobs.open(built.descriptor.digest).read())["schemaVersion"] == 2
