"""Several suites with apt's priorities, sources that a set names itself, and other architectures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.build.debian.debian_spec import parse_spec
from lading.build.debian.locks.locking import locked, write_lock
from lading.store.errors import InputError
from lading.verify.keys.keys import PrivateKey
from suites.building import PLATFORM, Bench, Key
from suites.debian_archive import Archive, archive
from suites.machine import needs

pytestmark = needs("apt-get", "gpg", "gpgv", "dpkg-deb")


@pytest.fixture
def stable(tmp_path: Path) -> Iterator[Archive]:
    folder = tmp_path / "stable"
    folder.mkdir()
    with archive(folder) as made:
        made.add("tool", {"usr/bin/tool": "old"})
        made.publish()
        yield made


@pytest.fixture
def backports(tmp_path: Path) -> Iterator[Archive]:
    folder = tmp_path / "backports"
    folder.mkdir()
    with archive(folder) as made:
        made.suite = "testing-backports"
        made.add("tool", {"usr/bin/tool": "new"}, version="2.0")
        made.add("extra", {"usr/bin/extra": "new"})
        made.publish()
        yield made


@pytest.fixture
def system(tmp_path: Path, stable: Archive, backports: Archive) -> Path:
    root = tmp_path / "system"
    (root / "etc/apt/sources.list.d").mkdir(parents=True)
    (root / "etc/os-release").write_text("ID=debian\nVERSION_CODENAME=testing\n")
    (root / "etc/apt/sources.list").write_text(
        f"deb [signed-by={stable.key}] {stable.uri} testing main\n"
        f"deb [signed-by={backports.key}] {backports.uri} testing-backports main\n"
    )
    return root


def versions(tmp_path: Path, system: Path, spec: str) -> dict[str, str]:
    """What a set resolves to."""
    file = system / "base.toml"
    file.write_text("version = 1\n[debian]\n" + spec)
    bench = Bench(tmp_path / "root", Key(PrivateKey.generate()))
    try:
        found = locked(file, bench.store, PLATFORM, update=True, system=system)
        write_lock(found)
        return {package.name: package.version for package in found.lock.architectures["amd64"].packages}
    finally:
        bench.close()


@pytest.mark.parametrize(
    ("suites", "expected"),
    [
        ("", "1.0"),  # the machine's other suites are nothing to a set that does not name them
        ("suites = { testing-backports = 100 }\n", "1.0"),
        ("suites = { testing-backports = 500 }\n", "2.0"),
        ("suites = { testing-backports = 990 }\n", "2.0"),
        ("suites = { testing-backports = -1 }\n", "1.0"),
    ],
)
def test_priorities_are_as_apt_has_them(tmp_path: Path, system: Path, suites: str, expected: str) -> None:
    assert versions(tmp_path, system, suites + 'packages = ["tool"]\n') == {"tool": expected}


def test_what_only_another_suite_has_comes_from_there(tmp_path: Path, system: Path) -> None:
    spec = 'suites = { testing-backports = 100 }\npackages = ["tool", "extra"]\n'
    assert versions(tmp_path, system, spec) == {"extra": "1.0", "tool": "1.0"}


def test_sources_of_a_set_stand_in_place_of_the_machines(tmp_path: Path, system: Path, stable: Archive) -> None:
    (system / "etc/apt/sources.list").write_text("deb http://127.0.0.1:9 testing main\n")
    line = f"deb [signed-by={stable.key}] {stable.uri.replace('//', '//user:secret@')} testing main"
    assert versions(tmp_path, system, f'sources = ["{line}"]\npackages = ["tool"]\n') == {"tool": "1.0"}
    assert "secret" not in (system / "base.lock").read_text()


def test_a_line_that_is_no_source_is_refused(tmp_path: Path, system: Path) -> None:
    with pytest.raises(InputError, match="sources: 'dep http' is no line"):
        versions(tmp_path, system, 'sources = ["dep http"]\npackages = ["tool"]\n')


@pytest.mark.parametrize("uri", ["ssh://-oProxyCommand=x/", "rsh:/x", "-oAPT::Sandbox=x", "mirror+file:/x"])
def test_a_source_is_only_fetched_from(tmp_path: Path, system: Path, uri: str) -> None:
    """apt's other methods execute programs."""
    with pytest.raises(InputError, match="expected an address of http"):
        versions(tmp_path, system, f'sources = ["deb {uri} testing main"]\npackages = ["tool"]\n')


@pytest.mark.parametrize("value", ["0", '"500"', "true", "40000"])
def test_a_priority_is_a_number_that_apt_knows(value: str) -> None:
    text = f"version = 1\n[debian]\npackages = ['a-b']\nsuites = {{ other = {value} }}\n"
    with pytest.raises(InputError, match="suites: other: expected a priority"):
        parse_spec(text.encode(), "base.toml")
