"""Lock files: what they hold, what a build makes of them, and what is told where things moved on."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.build.debian.debian_builder import build_debian
from lading.build.debian.locks.lock_file import parse_lock, read_lock, render_lock
from lading.build.debian.locks.locking import Locked, locked, write_lock
from lading.build.graph.request import BuildRequest, Built
from lading.store.errors import DocumentError, InputError, RegistryError
from lading.verify.documents.bundles import parse
from lading.verify.documents.provenance import Provenance
from lading.verify.documents.statements import Statement
from lading.verify.keys.keys import PrivateKey
from suites.building import PLATFORM, Bench, Key
from suites.debian_archive import Archive, archive
from suites.machine import needs

pytestmark = needs("root", "overlay", "apt-get", "gpg", "gpgv", "dpkg-deb")

SPEC = 'version = 1\n[debian]\npackages = ["tool"]\n'


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Archive]:
    folder = tmp_path / "archive"
    folder.mkdir()
    with archive(folder) as made:
        made.add("tool", {"usr/bin/tool": "#!/bin/sh\n"}, Depends="library")
        made.add("library", {"usr/lib/library.so": "code"})
        made.publish()
        yield made


@pytest.fixture
def system(tmp_path: Path, source: Archive) -> Path:
    root = tmp_path / "system"
    (root / "etc/apt/sources.list.d").mkdir(parents=True)
    (root / "etc/os-release").write_text("ID=debian\nVERSION_CODENAME=testing\n")
    (root / "etc/apt/sources.list").write_text(f"deb [signed-by={source.key}] {source.uri} testing main\n")
    (root / "base.toml").write_text(SPEC)
    return root


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "root", Key(PrivateKey.generate()))
    yield made
    made.close()


def build(bench: Bench, system: Path, *, fresh: bool = False) -> Built:
    return build_debian(BuildRequest(system, file=system / "base.toml"), bench.environment, fresh=fresh, system=system)


def lock(bench: Bench, system: Path, *, update: bool = False) -> Locked:
    found = locked(system / "base.toml", bench.store, PLATFORM, update=update, system=system)
    if found.differs:
        write_lock(found)
    return found


def provenance(bench: Bench, built: Built) -> Provenance:
    for item in built.attestations:
        raw = bench.store.blobs.open(bench.manifest(item).layers[0].digest).read()
        if "bundle" in (item.artifact_type or ""):
            statement = Statement.parse(parse(raw).envelope.payload)
            if "slsa" in statement.predicate_type:
                return Provenance.parse(statement)
    raise AssertionError("no provenance")


def test_a_lock_names_every_package_by_the_digest_and_address_it_is_served_under(
    bench: Bench, system: Path, source: Archive
) -> None:
    found = lock(bench, system)
    assert found.is_new
    text = json.loads((system / "base.lock").read_text())
    machine = text["architectures"]["amd64"]
    for package in machine["packages"]:
        served = source.root / package["url"].removeprefix(f"{source.uri}/")
        assert package["digest"] == f"sha256:{hashlib.sha256(served.read_bytes()).hexdigest()}"
        assert package["size"] == served.stat().st_size
        said = subprocess.run(
            ["dpkg-deb", "-f", served, "Package", "Version", "Architecture"], check=True, capture_output=True, text=True
        )
        fields = dict(line.split(": ") for line in said.stdout.splitlines())
        assert fields == {
            "Package": package["name"], "Version": package["version"], "Architecture": package["architecture"]
        }  # fmt: skip
    assert [package["name"] for package in machine["packages"]] == ["library", "tool"]
    (release,) = machine["releases"]
    assert release["sha256"] == hashlib.sha256(source.inrelease.read_bytes()).hexdigest()
    assert len((system / "base.lock").read_text().splitlines()) < 20  # a package a line


def test_a_build_installs_what_the_lock_says_whatever_the_archive_has_by_now(
    bench: Bench, system: Path, source: Archive, tmp_path: Path
) -> None:
    first = build(bench, system)
    lock(bench, system)
    source.add("library", {"usr/lib/library.so": "better code"}, version="2.0")
    source.publish()
    before = len(source.requests)
    second = build(bench, system, fresh=True)
    assert second.descriptor == first.descriptor
    assert len(source.requests) == before
    assert any("lock" in warning for warning in second.warnings)
    other = Bench(tmp_path / "elsewhere", Key(PrivateKey.generate()))
    third = build(other, system)
    assert third.descriptor == first.descriptor
    assert all(path.endswith(".deb") for path in source.requests[before:])
    other.close()


def test_a_provenance_names_the_lock_and_says_when_signatures_were_checked(bench: Bench, system: Path) -> None:
    lock(bench, system)
    found = {item.name: item for item in provenance(bench, build(bench, system)).dependencies}
    assert found["lock"].digest == {"sha256": hashlib.sha256((system / "base.lock").read_bytes()).hexdigest()}
    assert found["release:testing"].annotations["checked"] == "when it was locked"


def test_an_update_shows_what_changes_and_a_lock_that_is_current_stays(
    bench: Bench, system: Path, source: Archive
) -> None:
    lock(bench, system)
    before = (system / "base.lock").read_bytes()
    assert not lock(bench, system, update=True).differs
    source.add("library", {"usr/lib/library.so": "better code"}, version="2.0", Depends="more")
    source.add("more", {"usr/lib/more.so": "code"})
    source.publish()
    assert not lock(bench, system).differs  # the lock of this set: nothing is asked
    found = lock(bench, system, update=True)
    shown = [
        (change.name, change.old and change.old.version, change.new and change.new.version) for change in found.changes
    ]
    assert shown == [("library", "1.0", "2.0"), ("more", None, "1.0")]
    assert (system / "base.lock").read_bytes() != before
    assert "usr/lib/more.so" in bench.files(build(bench, system).descriptor)


def test_a_lock_of_another_set_is_refused_and_locked_anew(bench: Bench, system: Path) -> None:
    lock(bench, system)
    (system / "base.toml").write_text(SPEC.replace('"tool"', '"library"'))
    with pytest.raises(InputError, match=r"base\.lock was not made for this base\.toml: packages: \+library -tool"):
        build(bench, system)
    found = lock(bench, system)
    assert [(change.name, change.new) for change in found.changes] == [("tool", None)]
    build(bench, system)


def test_another_package_under_a_locked_address_is_refused(bench: Bench, system: Path, source: Archive) -> None:
    lock(bench, system)
    deb = source.root / "pool/library_1.0_all.deb"
    deb.write_bytes(deb.read_bytes()[:-1] + b"x")
    with pytest.raises(RegistryError, match=r"library 1\.0 is locked, and could not be fetched: "):
        build(bench, system)


def test_a_package_that_left_its_archive_comes_from_a_source_that_has_it(
    bench: Bench, system: Path, source: Archive
) -> None:
    lock(bench, system)
    (source.root / "snapshot").mkdir()
    (source.root / "pool").rename(source.root / "snapshot/pool")
    with pytest.raises(RegistryError, match=r"library 1\.0 is locked, and could not be fetched: .*404"):
        build(bench, system)
    (system / "etc/apt/sources.list").write_text(f"deb [signed-by={source.key}] {source.uri}/snapshot testing main\n")
    build(bench, system)


def test_an_archive_by_name_is_where_the_machines_distribution_says(
    bench: Bench, system: Path, source: Archive
) -> None:
    source.origin = "Debian"
    source.publish()
    lock(bench, system)
    text = (system / "base.lock").read_text()
    assert '"archive": "archive:debian"' in text
    assert "://" not in text
    (system / "etc/apt/sources.list").unlink()
    with pytest.raises(RegistryError, match="testing of archive:debian: /etc/apt has no source of that suite"):
        build(bench, system)
    (source.root / "debian").mkdir()
    (source.root / "pool").rename(source.root / "debian/pool")
    (system / "usr/share/doc/apt/examples").mkdir(parents=True)
    (system / "usr/share/doc/apt/examples/sources.list").write_text(f"deb {source.uri}/debian stable main\n")
    build(bench, system)


def test_a_lock_for_other_architectures_says_which(bench: Bench, system: Path) -> None:
    lock(bench, system)
    path = system / "base.lock"
    path.write_text(path.read_text().replace('"amd64": {', '"s390x": {'))
    with pytest.raises(InputError, match=r"base\.lock is for s390x, not for amd64"):
        build(bench, system)


def test_what_is_written_is_what_is_read(bench: Bench, system: Path) -> None:
    lock(bench, system)
    found = read_lock(system / "base.lock")
    assert found is not None
    assert render_lock(found[0]) == found[1]


@pytest.mark.parametrize(
    ("old", "new", "member"),
    [
        ('"version": 1', '"version": 2', "version"),
        ('"size": ', '"size": -', "size"),
        ('"digest": "sha256:', '"digest": "sha256:..', "64 lower-case"),
        ('"digest": "sha256:', '"digest": "md5:', "SHA256"),
        ('/pool/library', '/../library', "filename"),
        ('"url": "http', '"url": "file', "filename"),
        ('"archive": "http://127.0.0.1', '"archive": "-oAcquire::http::Proxy-Auto-Detect=/x', "archive"),
        ('"archive": "http', '"archive": "ssh', "archive"),
        ('"name": "library"', '"name": "-o"', "name"),
        ('"release": "', '"release": "x', "release"),
        ('"datesChecked"', '"dates"', "dates"),
    ],
)  # fmt: skip
def test_a_word_that_is_no_such_thing_is_refused(bench: Bench, system: Path, old: str, new: str, member: str) -> None:
    lock(bench, system)
    text = (system / "base.lock").read_text()
    assert old in text
    with pytest.raises(DocumentError, match=member):
        parse_lock(text.replace(old, new, 1).encode(), "base.lock")


def test_a_set_is_locked_and_built_for_other_machines_too(bench: Bench, system: Path, source: Archive) -> None:
    source.architectures = ("amd64", "arm64")
    source.publish()
    (system / "base.toml").write_text(SPEC + 'architectures = ["amd64", "arm64"]\n')
    found = lock(bench, system)
    assert list(found.lock.architectures) == ["amd64", "arm64"]
    request = BuildRequest(system, file=system / "base.toml", platforms=("linux/arm64/v8",))
    built = build_debian(request, bench.environment, fresh=False, system=system)
    config = bench.store.config(bench.manifest(built.descriptor))
    assert (config.platform.os, config.platform.architecture) == ("linux", "arm64")
    assert provenance(bench, built).external["platform"] == "linux/arm64"
    assert bench.files(built.descriptor) == bench.files(build(bench, system).descriptor)


def test_several_platforms_at_once_are_refused(bench: Bench, system: Path) -> None:
    request = BuildRequest(system, file=system / "base.toml", platforms=("linux/amd64,linux/arm64",))
    with pytest.raises(InputError, match="linux/amd64, linux/arm64: a package set is built for one at a time"):
        build_debian(request, bench.environment, fresh=False, system=system)


def test_a_cache_of_libraries_is_for_the_own_platform(bench: Bench, system: Path) -> None:
    (system / "base.toml").write_text(SPEC + "ld_so_cache = true\n")
    request = BuildRequest(system, file=system / "base.toml", platforms=("linux/s390x",))
    with pytest.raises(InputError, match="ld_so_cache: ldconfig writes it for this machine's own platform alone"):
        build_debian(request, bench.environment, fresh=False, system=system)
