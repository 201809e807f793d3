"""Resolution and download by the real apt, from an archive made for the test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.build.debian.archives.apt import Apt
from lading.build.debian.archives.release import read_keys
from lading.build.debian.deb import open_data, read_control
from lading.store.errors import DocumentError, InputError, RegistryError
from suites.debian_archive import Archive, archive
from suites.machine import needs

pytestmark = needs("apt-get", "gpg", "gpgv", "dpkg-deb")


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Archive]:
    folder = tmp_path / "archive"
    folder.mkdir()
    with archive(folder) as made:
        made.add("tool", {"usr/bin/tool": "#!/bin/sh\n"}, Depends="library (>= 1)")
        made.add("library", {"usr/lib/library.so": "code"}, Recommends="unwanted")
        made.add("unwanted", {"usr/share/unwanted": "x"})
        made.publish()
        yield made


def client(tmp_path: Path, source: Archive, **changes: object) -> Apt:
    folder = tmp_path / "cache" / "state"
    folder.mkdir(parents=True, exist_ok=True)
    made = source.source(**changes)
    return Apt(folder, [made], {made: read_keys(made.signed_by)}, "amd64")


def test_resolves_dependencies_without_recommendations_and_traces_them(tmp_path: Path, source: Archive) -> None:
    apt = client(tmp_path, source)
    apt.update()
    resolution = apt.resolve(["tool"])
    assert [(package.name, package.version) for package in resolution.packages] == [("library", "1.0"), ("tool", "1.0")]
    (digest, (_, release)) = next(iter(resolution.releases.items()))
    assert {package.release for package in resolution.packages} == {digest} == {release.digest}
    assert release.codename == "testing"


def test_fetches_each_package_once(tmp_path: Path, source: Archive) -> None:
    apt = client(tmp_path, source)
    apt.update()
    packages = apt.resolve(["tool"]).packages
    paths = apt.fetch(packages)
    assert all(path.name == f"{package.digest.hex}.deb" for package, path in paths.items())
    before = len(source.requests)
    assert apt.fetch(packages) == paths
    assert len(source.requests) == before


def test_saved_lists_give_the_same_answer_without_the_archive(tmp_path: Path, source: Archive) -> None:
    apt = client(tmp_path, source)
    assert apt.lists() is None
    apt.update()
    first = apt.resolve(["tool"])
    source.add("library", {"usr/lib/library.so": "newer"}, version="2.0")
    source.publish()
    assert client(tmp_path, source).lists() is not None
    assert client(tmp_path, source).resolve(["tool"]).packages == first.packages


def test_a_failed_update_is_an_error_and_the_saved_lists_stay(tmp_path: Path, source: Archive) -> None:
    apt = client(tmp_path, source)
    apt.update()
    first = apt.resolve(["tool"])
    source.inrelease.unlink()
    with pytest.raises(RegistryError, match="no longer has a Release file"):
        apt.update()
    assert apt.lists() is not None
    assert apt.resolve(["tool"]) == first


def test_an_archive_that_does_not_answer_is_not_an_empty_one(tmp_path: Path, source: Archive) -> None:
    apt = client(tmp_path, source, uri="http://user:secret@127.0.0.1:9")
    with pytest.raises(RegistryError, match="Failed to fetch") as caught:
        apt.update()
    assert "secret" not in caught.value.message
    assert apt.lists() is None


def test_lists_survive_an_update_killed_between_its_renames(tmp_path: Path, source: Archive) -> None:
    apt = client(tmp_path, source)
    apt.update()
    first = apt.resolve(["tool"])
    lists = tmp_path / "cache/state/lists"
    lists.rename(lists.with_name("lists.old"))
    again = client(tmp_path, source)
    assert again.lists() is not None
    assert again.resolve(["tool"]) == first
    again.update()
    assert not lists.with_name("lists.old").exists()


def test_a_package_that_is_not_there(tmp_path: Path, source: Archive) -> None:
    apt = client(tmp_path, source)
    apt.update()
    with pytest.raises(InputError, match="nonsense: no such package"):
        apt.resolve(["nonsense"])


def test_an_archive_signed_with_another_key_is_refused(tmp_path: Path, source: Archive) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with archive(other) as stranger, pytest.raises(RegistryError, match="fetching the package lists"):
        client(tmp_path, source, signed_by=str(stranger.key)).update()


def test_a_list_changed_after_the_update_is_refused(tmp_path: Path, source: Archive) -> None:
    apt = client(tmp_path, source)
    apt.update()
    lists = tmp_path / "cache/state/lists"
    file = next(lists.glob("*_Packages"))
    file.write_text(file.read_text().replace("Description: an example", "Description: another"))
    with pytest.raises(DocumentError, match="is not the main/binary-amd64/Packages that the signed release lists"):
        apt.resolve(["tool"])


def test_a_release_changed_after_the_update_is_refused(tmp_path: Path, source: Archive) -> None:
    apt = client(tmp_path, source)
    apt.update()
    file = next((tmp_path / "cache/state/lists").glob("*_InRelease"))
    file.write_text(file.read_text().replace("Origin: Example", "Origin: Elsewhere"))
    with pytest.raises(DocumentError, match="signature does not hold"):
        apt.resolve(["tool"])


def test_a_package_that_is_not_what_the_list_says_is_refused(tmp_path: Path, source: Archive) -> None:
    apt = client(tmp_path, source)
    apt.update()
    packages = apt.resolve(["tool"]).packages
    file = source.root / "pool/tool_1.0_all.deb"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises((DocumentError, RegistryError)):
        apt.fetch(packages)
    assert not list((tmp_path / "cache/debs").glob(f"{packages[1].digest.hex}*"))


def test_expired_lists_are_refused_unless_apt_is_told_not_to_look(tmp_path: Path, source: Archive) -> None:
    source.publish(date="Sat, 01 Jan 2022 00:00:00 GMT", valid_until="Sun, 02 Jan 2022 00:00:00 GMT")
    relaxed = client(tmp_path / "relaxed", source, check_dates=False)
    relaxed.update()
    assert not relaxed.resolve(["tool"]).dates_checked
    strict = client(tmp_path / "strict", source)
    settings = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    if 'Acquire::Check-Valid-Until "false"' in settings:
        strict.update()
        assert not strict.resolve(["tool"]).dates_checked
    else:
        with pytest.raises(RegistryError, match="fetching the package lists"):
            strict.update()


@pytest.mark.parametrize("compression", ["xz", "gzip", "none", "zstd"])
def test_reads_what_dpkg_deb_writes(tmp_path: Path, compression: str) -> None:
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        "Package: a\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.com>\nDescription: d\n"
    )
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/a").write_text("content")
    deb = tmp_path / "a.deb"
    subprocess.run(["dpkg-deb", f"-Z{compression}", "-b", tree, deb], check=True, capture_output=True)
    assert read_control(deb).control.startswith(b"Package: a\n")
    expected = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], check=True, capture_output=True).stdout
    with open_data(deb) as stream:
        assert b"".join(iter(lambda: stream.read(65536), b"")) == expected


def test_a_file_that_is_no_package(tmp_path: Path) -> None:
    deb = tmp_path / "a.deb"
    for content in (b"", b"!<arch>\n", b"!<arch>\nshort", b"x" * 100):
        deb.write_bytes(content)
        with pytest.raises(DocumentError, match="not a Debian package"):
            read_control(deb)
