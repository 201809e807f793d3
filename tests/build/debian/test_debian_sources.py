"""apt's sources as people write them, and the TOML file."""

from __future__ import annotations

from pathlib import Path

import pytest

from lading.build.debian.archives.apt_sources import Release, machine_release, machine_sources, select
from lading.build.debian.debian_spec import parse_spec
from lading.store.errors import InputError, LadingError, MachineError

BOOKWORM = Release("debian", "bookworm")


def machine(tmp_path: Path, one_line: str = "", deb822: str = "") -> Path:
    folder = tmp_path / "etc/apt/sources.list.d"
    folder.mkdir(parents=True)
    (tmp_path / "etc/apt/sources.list").write_text(one_line)
    (folder / "a.sources").write_text(deb822)
    return tmp_path


def test_both_forms_are_read(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        "# deb http://off.example.com/ bookworm main\n"
        "deb-src http://mirror.example.com/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example.com/debian bookworm main contrib # note\n",
        "# a comment\nTypes: deb deb-src\nURIs: http://sec.example.com/\nSuites: bookworm-security\nComponents: main\n"
        "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abcd\n -----END PGP PUBLIC KEY BLOCK-----\n"
        "\nTypes: deb\nURIs: http://off.example.com/\nSuites: x\nEnabled: no\n",
    )
    first, second = machine_sources(root)
    assert (first.uri, first.suite, first.components) == (
        "http://mirror.example.com/debian",
        "bookworm",
        ("main", "contrib"),
    )
    assert first.signed_by == "/k.gpg"
    assert second.suite == "bookworm-security"
    assert second.signed_by.startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabcd")


def test_words_and_stanzas_are_apts(tmp_path: Path) -> None:
    """As `apt-get indextargets` of apt 2.6 shows them."""
    root = machine(
        tmp_path,
        'deb [ arch=arm64 ]"http://a.example.com/x" bookworm main\n'
        "deb cdrom:[Debian 12 amd64]/ bookworm main contrib\n"
        "deb [lang=en ]http://b.example.com/ bookworm main\n",
        # A line of one space ends nothing: the fields after it replace those before, and `Enabled` holds for all.
        "Types: deb\nURIs: http://c.example.com/\nSuites: bookworm\nComponents: contrib\nEnabled: no\n \n"
        "Types: deb\nURIs: http://d.example.com/\nSuites: bookworm\nComponents: main\n\n"
        "Types: deb\nURIs: http://e.example.com/\nSuites: bookworm\nComponents: contrib\n \n"
        "URIs: http://f.example.com/\nComponents: main\n",
    )
    assert [(source.uri, source.suite, source.components) for source in machine_sources(root)] == [
        ("http://a.example.com/x", "bookworm", ("main",)),
        ("cdrom:[Debian 12 amd64]/", "bookworm", ("main", "contrib")),
        ("http://b.example.com/", "bookworm", ("main",)),
        ("http://f.example.com/", "bookworm", ("main",)),
    ]


def test_a_suite_brings_its_pockets_and_leaves_strangers(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        "deb http://a.example.com bookworm main\ndeb http://a.example.com bookworm-updates main\n"
        "deb http://s.example.com bookworm-security main\ndeb http://tools.example.com nodistro main\n",
    )
    chosen = select(machine_sources(root), BOOKWORM, "bookworm", ("main",), "amd64")
    assert [source.suite for source in chosen] == ["bookworm", "bookworm-updates", "bookworm-security"]
    other = select(machine_sources(root), BOOKWORM, "trixie", ("main",), "amd64")
    assert [source.suite for source in other] == ["trixie", "trixie-updates", "trixie-security"]
    with pytest.raises(InputError, match="no source of packages for the suite 'bookworm' with contrib"):
        select(machine_sources(root), BOOKWORM, "bookworm", ("contrib",), "amd64")


@pytest.mark.parametrize("line", ["[trusted=yes]", "[arch=amd64 trusted=yes]", "[Trusted=yes]"])
def test_a_source_without_signatures_is_refused(tmp_path: Path, line: str) -> None:
    root = machine(tmp_path, f"deb {line} http://a.example.com bookworm main\n")
    with pytest.raises(InputError, match="trusted=yes"):
        select(machine_sources(root), BOOKWORM, "bookworm", ("main",), "amd64")


def test_a_machine_that_is_not_debian(tmp_path: Path) -> None:
    with pytest.raises(MachineError):
        machine_release(tmp_path)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('ID=other\nNAME="Other"\n')
    with pytest.raises(MachineError, match="names no suite"):
        machine_release(tmp_path)


def test_the_smallest_file() -> None:
    spec = parse_spec(b'version = 1\n[debian]\npackages = ["dash"]\n', "base.toml")
    assert (spec.suite, spec.components, spec.packages) == (None, ("main",), ("dash",))
    assert spec.layer_per_package
    assert spec.image.cmd == ()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "version: missing"),
        ("version = 2\n[debian]\npackages=['a']", "version must be 1"),
        ("version = 1\n[debian]", "packages: name at least one"),
        ("version = 1\n[debian]\npackages = ['a b']", "not a package name: 'a b'"),
        ("version = 1\n[debian]\npackages = ['-o=Dpkg']", "not a package name"),
        ("version = 1\n[debian]\npackages = ['dash']\nsuite = '../x'", "not a suite name"),
        ("version = 1\n[debian]\npackages = ['dash']\nlayers = 'many'", 'must be "package" or "one"'),
        ("version = 1\n[debian]\npackages = ['dash']\nunknown = 1", "unknown member 'unknown'"),
        ("version = 1\n[debian]\npackages = 'dash'", "packages: expected an array, found a string"),
        ("version = 1\nversion = 1", "not valid TOML"),
        ("version = 1\n[debian]\npackages = ['dash']\n[image]\nenv = { A = 1 }", "env.A: expected a string"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(text: str, complaint: str) -> None:
    with pytest.raises(LadingError) as caught:
        parse_spec(text.encode(), "base.toml")
    assert complaint in caught.value.message
    assert caught.value.message.startswith("base.toml: ")
    assert "\n" not in caught.value.message
