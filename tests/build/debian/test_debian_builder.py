"""Images of packages, from an archive made for the test."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest

from lading.build.debian.debian_builder import build_debian, packages_of
from lading.build.debian.debian_spec import parse_spec
from lading.build.debian.package_actions import JOBS, PackageActions
from lading.build.debian.package_graph import package_graph
from lading.build.graph.request import BuildRequest, Built
from lading.build.graph.solve_state import SolveState
from lading.build.solver.records import StepRecords
from lading.build.solver.solver import Solver
from lading.store.errors import DocumentError, InputError, LadingError, RegistryError
from lading.store.snapshots.mounts import unmount
from lading.store.snapshots.unpack_layers import unpack
from lading.verify.documents.bundles import parse
from lading.verify.documents.dag_artifact import read_artifact
from lading.verify.documents.provenance import DEBIAN_BUILD, Provenance
from lading.verify.documents.statements import Statement
from lading.verify.evidence.evidence import StoreEvidence
from lading.verify.judgement.targets import Target
from lading.verify.judgement.verifier import Verifier
from lading.verify.keys.keys import PrivateKey
from lading.verify.keys.named_key import NamedKey
from lading.verify.policy.policy import Policy
from suites.action_cache import MemoryCache
from suites.actions import ActionContract, Front
from suites.building import PLATFORM, Bench, Key
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


def provenance(bench: Bench, built: Built) -> Provenance:
    """What the build attests, unchecked."""
    for item in built.attestations:
        raw = bench.store.blobs.open(bench.manifest(item).layers[0].digest).read()
        if "bundle" in (item.artifact_type or ""):
            statement = Statement.parse(parse(raw).envelope.payload)
            if "slsa" in statement.predicate_type:
                return Provenance.parse(statement)
    raise AssertionError("no provenance")


def build(bench: Bench, system: Path, spec: str = SPEC, fresh: bool = False, **options: object) -> Built:
    file = system / "base.toml"
    file.write_text(spec)
    request = BuildRequest(system, file=file, **options)  # type: ignore[arg-type]
    return build_debian(request, bench.environment, fresh=fresh, system=system)


class TestPackageActions(ActionContract):
    @pytest.fixture(params=["one", "package"], autouse=True)
    def _layers(self, request: pytest.FixtureRequest, tmp_path: Path, source: Archive, system: Path) -> None:
        self.spec = SPEC.replace("[image]", f'layers = "{request.param}"\nld_so_cache = true\n[image]')

    @contextmanager
    def front(self, tmp_path: Path, content: str) -> Generator[Front, None, None]:
        """The packages of the archive, one more of them with the other content."""
        packages = '["tool", "certs"]' if content == "content" else '["certs", "library"]'
        bench = Bench(tmp_path / "root")
        spec = parse_spec(self.spec.replace('["tool", "certs"]', packages).encode(), "base.toml")
        file = tmp_path / "base.toml"
        found = packages_of(spec, file, bench.environment, fresh=False, system=tmp_path / "system")
        graph = package_graph(
            spec, found.suite, found.resolution, BuildRequest(tmp_path, file=Path("base.toml")), PLATFORM
        )
        solved = SolveState()
        folder = Path(mkdtemp(dir=tmp_path))
        actions = PackageActions(bench.environment, graph, solved, found.debs, folder)
        yield Front(
            graph,
            Solver(
                bench.environment,
                MemoryCache(bench.store.blobs),
                solved,
                actions.of,
                StepRecords(bench.store.index),
                jobs=JOBS,
            ),
        )
        bench.close()


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
    assert verdict.base_status == "none"
    statements = [item.statement for item in verdict.decision.candidates if item.statement is not None]
    provenance = next(Provenance.parse(item) for item in statements if "slsa" in item.predicate_type)
    assert provenance.build_type == DEBIAN_BUILD
    found = {item.name: item for item in provenance.dependencies}
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
        (SPEC, {"target": "stage"}, "target is for Dockerfiles"),
        (SPEC, {"arguments": {"A": "b"}}, "build-arg is for Dockerfiles"),
        (SPEC, {"platforms": ("linux/vax",)}, "Debian has no packages for linux/vax"),
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


def test_a_file_that_is_not_there(tmp_path: Path, system: Path, key: Key) -> None:
    bench = Bench(tmp_path / "root", key)
    with pytest.raises(InputError, match=r"none\.toml: cannot be read: No such file"):
        build_debian(BuildRequest(system, file=system / "none.toml"), bench.environment, fresh=False, system=system)


def test_what_was_asked_for_is_in_the_provenance_and_no_password(
    tmp_path: Path, system: Path, source: Archive, key: Key
) -> None:
    listed = source.uri.replace("://", "://user:secret@")
    (system / "etc/apt/sources.list").write_text(f"deb [signed-by={source.key}] {listed} testing main\n")
    source.add("lib+more", {"usr/x": "x"}, version="1:2.0+b1~rc")
    source.publish()
    bench = Bench(tmp_path / "root", key)
    made = provenance(bench, build(bench, system, SPEC.replace('"tool"', '"tool", "lib+more"')))
    assert made.external["packages"] == ["tool", "lib+more", "certs"]
    assert made.external["layers"] == "package"
    assert made.external["ldSoCache"] is False
    assert made.external["image"] == {
        "cmd": ["/usr/bin/tool"],
        "env": {"A": "b"},
        "labels": {"from": "file"},
        "expose": ["80"],
    }
    uris = {item.name: item.uri for item in made.dependencies}
    assert uris["release:testing"] == f"{source.uri}/dists/testing/InRelease"
    assert uris["lib+more 1:2.0+b1~rc"] == "pkg:deb/debian/lib%2Bmore@1:2.0%2Bb1~rc?arch=all"


def test_a_package_whose_links_lead_out_of_it_reaches_nothing(
    tmp_path: Path, system: Path, source: Archive, key: Key
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "passwd.master").write_text("of this machine\n")
    links = {"reader": ("usr/share/base-passwd",), "writer": ("var/lib/dpkg",), "mover": ("usr/lib",)}
    for name, paths in links.items():
        for path in paths:
            link = source.folder / f"{name}_1.0" / path
            link.parent.mkdir(parents=True)
            link.symlink_to(outside)
        source.add(name, {"lib/moved" if name == "mover" else "x": "x"})
    source.publish()
    bench = Bench(tmp_path / "root", key)
    built = build(bench, system, SPEC.replace('"tool"', '"reader"'))
    assert bench.files(built.descriptor)["etc/passwd"][3].startswith(b"root:x:0:0:")  # type: ignore[union-attr]
    for name in ("writer", "mover"):
        with pytest.raises(DocumentError, match=r"link|no folder"):
            build(bench, system, SPEC.replace('"tool"', f'"{name}"'))
    assert [file.name for file in outside.iterdir()] == ["passwd.master"]


def test_a_saved_package_that_was_changed_is_fetched_anew(
    tmp_path: Path, system: Path, source: Archive, key: Key
) -> None:
    bench = Bench(tmp_path / "root", key)
    built = build(bench, system)
    deb = next((bench.root / "cache/debian/debs").glob("*.deb"))
    data = bytearray(deb.read_bytes())
    data[-1] ^= 1
    deb.write_bytes(data)
    with pytest.raises(DocumentError, match="the saved file was changed"):
        build(bench, system, no_cache=True)
    assert build(bench, system, no_cache=True).descriptor == built.descriptor


def test_parts_are_reported_in_the_order_of_their_layers(tmp_path: Path, system: Path, key: Key) -> None:
    bench = Bench(tmp_path / "root", key)
    built = build(bench, system)
    assert [report.step.number for report in built.steps] == [0, 1, 2, 3]
    assert [report.step.text for report in built.steps][-1] == "derive derived files"
    assert len(bench.listener.reports) == 4
    assert all(report.cached for report in build(bench, system).steps)


def test_two_builds_at_once_give_one_image(tmp_path: Path, system: Path, key: Key) -> None:
    bench, other = Bench(tmp_path / "root", key), Bench(tmp_path / "root", key)
    (system / "base.toml").write_text(SPEC)
    request = BuildRequest(system, file=system / "base.toml")
    with ThreadPoolExecutor(2) as pool:
        work = [
            pool.submit(build_debian, request, one.environment, fresh=True, system=system) for one in (bench, other)
        ]
        digests = {one.result().descriptor.digest for one in work}
    assert len(digests) == 1


def test_a_shell_runs_in_an_image_from_this_machine_s_own_archive(tmp_path: Path, key: Key) -> None:
    bench = Bench(tmp_path / "root", key)
    file = tmp_path / "base.toml"
    file.write_text('version = 1\n[debian]\npackages = ["base-files", "dash", "coreutils"]\nld_so_cache = true\n')
    try:
        built = build_debian(BuildRequest(tmp_path, file=file), bench.environment, fresh=False)
    except RegistryError as error:
        pytest.skip(f"needs the archive of this machine's own suite: {error.message}")
    manifest = bench.manifest(built.descriptor)
    name = unpack(bench.store.snapshots, bench.store.blobs, manifest, bench.store.config(manifest))
    assert name is not None
    bench.store.snapshots.prepare("test", name)
    root = tmp_path / "mounted"
    root.mkdir()
    bench.store.snapshots.mount("test", root)
    try:
        script = "test -L /bin && test -L /lib && cat /etc/passwd && ls /tmp && test -s /etc/ld.so.cache"
        done = subprocess.run(["/usr/sbin/chroot", root, "/bin/sh", "-c", script], capture_output=True, check=False)
    finally:
        unmount(root)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"root:x:0:0:")
