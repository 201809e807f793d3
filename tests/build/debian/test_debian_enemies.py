"""The mirror is an enemy, and the archive's signer may be careless."""

from __future__ import annotations

import gzip
import lzma
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.build.debian.archives.apt import Apt
from lading.build.debian.archives.apt_sources import Release, machine_sources, says, select
from lading.build.debian.archives.release import read_keys
from lading.build.debian.debian_builder import build_debian
from lading.build.debian.debian_spec import parse_spec
from lading.build.graph.request import BuildRequest, Built
from lading.store.errors import DocumentError, InputError, LadingError, MachineError
from lading.verify.keys.keys import PrivateKey
from suites.building import Bench, Key
from suites.debian_archive import Archive, archive
from suites.debs import compressed, control_tar, deb, member, package, tar
from suites.machine import needs

pytestmark = needs("root", "overlay", "apt-get", "gpg", "gpgv", "dpkg-deb")

FILE = member("./usr/share/a/file", b"content")
SPARSE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "control"}


def sparse(claimed: int) -> bytes:
    """A control archive of a few bytes whose control file claims to be this large (GNU tar, PAX sparse 1.0)."""
    header = {**SPARSE, "GNU.sparse.realsize": str(claimed)}
    return gzip.compress(
        tar(member("./control", b"1\n0\n1\n".ljust(512, b"\0"), pax_headers=header), form=tarfile.PAX_FORMAT), mtime=0
    )


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Archive]:
    folder = tmp_path / "archive"
    folder.mkdir()
    with archive(folder) as made:
        yield made


@pytest.fixture
def system(tmp_path: Path, source: Archive) -> Path:
    root = tmp_path / "system"
    (root / "etc/apt").mkdir(parents=True)
    (root / "etc/os-release").write_text("ID=debian\nVERSION_CODENAME=testing\n")
    (root / "etc/apt/sources.list").write_text(f"deb [signed-by={source.key}] {source.uri} testing main\n")
    return root


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "root", Key(PrivateKey.generate()))


def build(bench: Bench, system: Path, *names: str, fresh: bool = True, more: str = "") -> Built:
    file = system / "base.toml"
    file.write_text(f"version = 1\n[debian]\npackages = {list(names)}\n{more}")
    return build_debian(BuildRequest(system, file=file), bench.environment, fresh=fresh, system=system)


def cut(kind: str) -> bytes:
    name, data = compressed(kind, tar(member("./usr/share/a", bytes(range(256)) * 600)))
    return package("aa", data=(name, data[: len(data) // 2]))


BROKEN = {
    "no package": b"hello",
    "an empty archive": b"!<arch>\n",
    "no data": deb([("control.tar.gz", control_tar("aa"))]),
    "cut off": package("aa", FILE)[:-40],
    **{f"a data.tar.{kind} cut off": cut(kind) for kind in ("xz", "gz", "bz2", "lzma", "zst", "")},
    **{
        f"{name} of rubbish": package("aa", data=(name, b"rubbish" * 99))
        for name in ("data.tar", "data.tar.gz", "data.tar.xz", "data.tar.bz2", "data.tar.zst", "data.tar.lzma")
    },
    "an unknown compression": package("aa", data=("data.tar.lz9", b"x")),
    "a control archive of rubbish": package("aa", FILE, controls=b"rubbish" * 9),
    "no archive in it": package("aa", FILE, controls=gzip.compress(b"rubbish" * 999)),
    "a control archive cut off": package("aa", FILE, controls=control_tar("aa")[:90]),
    "a control file cut off": package("aa", FILE, controls=gzip.compress(tar(member("./control", b"x" * 9000))[:2000])),
    "a control file that is a link": package(
        "aa", FILE, controls=gzip.compress(tar(member("./control", kind=tarfile.SYMTYPE, linkname="/etc/shadow")))
    ),
    "a control file of 6 GiB": package("aa", FILE, controls=sparse(6 << 30)),
    "a control archive of 1 GiB": package("aa", FILE, controls=gzip.compress(bytes(1 << 30), 1)),
    "a file of 1 TiB that is sparse": package(
        "aa",
        data=(
            "data.tar.xz",
            lzma.compress(
                tar(
                    member(
                        "./usr/x",
                        b"1\n0\n1\n".ljust(512, b"\0"),
                        pax_headers={**SPARSE, "GNU.sparse.realsize": str(1 << 40)},
                    ),
                    form=tarfile.PAX_FORMAT,
                )
            ),
        ),
    ),
    "another package's name": package("aa", FILE, controls=control_tar("other")),
    "another version": package("aa", FILE, controls=control_tar("aa", text=b"Package: aa\nVersion: 2.0\n")),
    "another package's record": package("aa", member("./var/lib/dpkg/status.d/bb", b"Package: bb\n")),
    "its own record": package("aa", member("./var/lib/dpkg/status.d/aa", b"Package: aa\n")),
    "a link where records belong": package(
        "aa", member("./var/lib/dpkg/status.d", kind=tarfile.SYMTYPE, linkname="/etc")
    ),
    "a file where records belong": package("aa", member("./var/lib/dpkg/status.d", b"x")),
    "a removal": package("aa", member("./usr/.wh.bin")),
    "a file where /usr belongs": package("aa", member("./usr", b"x"), member("./lib/x", b"x")),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_package_that_is_wrong_ends_in_one_line_with_its_name(
    bench: Bench, system: Path, source: Archive, kind: str
) -> None:
    source.put("aa", BROKEN[kind])
    source.put("bb", package("bb", FILE))
    source.publish()
    for more in ("", 'layers = "one"\n'):
        with pytest.raises(DocumentError, match=r"^(aa|packages)\b") as caught:
            build(bench, system, "aa", "bb", more=more)
        assert "\n" not in caught.value.message
        assert str(bench.store.root) not in caught.value.message
    assert not bench.store.references()


@pytest.mark.parametrize("kind", ["xz", "gz", "bz2", "lzma", "zst", ""])
def test_compressions_that_apt_takes_are_taken(bench: Bench, system: Path, source: Archive, kind: str) -> None:
    source.put("aa", package("aa", data=compressed(kind, tar(FILE))))
    source.publish()
    assert bench.files(build(bench, system, "aa").descriptor)["usr/share/a/file"][3] == b"content"


@pytest.mark.parametrize(
    "fields",
    [
        {"SHA256": "../../../../victim"},
        {"SHA256": "0" * 63},
        {"SHA256": "", "SHA512": "../../../../victim"},
        {"SHA256": ""},
        {"Size": "-1"},
        {"Size": "9" * 30},
        {"Size": "one"},
        {"Filename": "../../../../victim"},
        {"Filename": "pool/../../victim"},
        {"Filename": "/victim"},
        {"Architecture": "../x"},
    ],
)
def test_no_word_of_a_list_is_used_before_it_has_its_form(
    bench: Bench, system: Path, source: Archive, tmp_path: Path, fields: dict[str, str]
) -> None:
    (tmp_path / "victim").write_text("of the host")
    source.put("aa", package("aa", FILE), **fields)
    source.publish()
    with pytest.raises(LadingError) as caught:
        build(bench, system, "aa")
    assert "\n" not in caught.value.message
    assert (tmp_path / "victim").read_text() == "of the host"


def test_spellings_that_apt_takes_are_taken(bench: Bench, system: Path, source: Archive) -> None:
    """Fields in another order and case, SHA512 alone, an address with doubled slashes and an upper-case host."""
    import hashlib

    data = package("aa", FILE)
    source.put("aa", data, Package="", SHA256="")
    stanza = source.listed["aa"].splitlines()
    digest = hashlib.sha512(data).hexdigest()
    source.listed["aa"] = "\n".join([*stanza, f"sha512: {digest}", "package:  aa"]) + "\n"
    source.put("bb", package("bb", FILE))
    source.publish(sums="sha512")
    uri = source.uri.replace("127.0.0.1", "LocalHost") + "//"
    (system / "etc/apt/sources.list").write_text(f"deb [signed-by={source.key}] {uri} testing main\n")
    built = build(bench, system, "aa", "bb")
    assert "var/lib/dpkg/status.d/aa" in bench.files(built.descriptor)


@pytest.mark.parametrize("name", ["a0-", "a0+", "a.", "l.", "a0.+", "aa-"])
def test_a_name_means_itself(bench: Bench, system: Path, source: Archive, name: str) -> None:
    for each in ("a0", "l1", "l2"):
        source.put(each, package(each, FILE))
    source.publish()
    with pytest.raises(InputError, match="no such package"):
        build(bench, system, "a0", name)


def test_why_a_resolution_fails_is_said(bench: Bench, system: Path, source: Archive) -> None:
    source.put("aa", package("aa", FILE), Depends="absent (>= 2)")
    source.put("bb", package("bb", FILE), Provides="virtual")
    source.publish()
    with pytest.raises(InputError, match=r"aa : Depends: absent"):
        build(bench, system, "aa")
    with pytest.raises(InputError, match="virtual: no such package"):
        build(bench, system, "virtual")


def test_the_dates_of_lists_that_were_fetched_unchecked_stay_unchecked(tmp_path: Path, source: Archive) -> None:
    source.put("aa", package("aa", FILE))
    source.publish()
    folder = tmp_path / "state"
    folder.mkdir()

    def client(**changes: object) -> Apt:
        made = source.source(**changes)
        return Apt(folder, [made], {made: read_keys(made.signed_by)}, "amd64")

    client(check_dates=False).update()
    assert not client(check_dates=True).resolve(["aa"]).dates_checked


def test_nothing_of_apt_runs_when_nothing_changed(bench: Bench, system: Path, source: Archive) -> None:
    source.put("aa", package("aa", FILE))
    source.publish()
    first = build(bench, system, "aa")
    started: list[object] = []
    sys.addaudithook(lambda event, words: started.append(words) if event == "subprocess.Popen" else None)
    again = build(bench, system, "aa", fresh=False)
    assert again.descriptor == first.descriptor
    assert started == []
    # Another key may mean that one was revoked: then everything is checked again.
    source.make_key("another@example.com")
    assert build(bench, system, "aa", fresh=False).descriptor == first.descriptor
    assert started


class TestKeys:
    """Signed-By, as sources.list(5) has it; apt itself is asked for its opinion by every update."""

    @pytest.fixture
    def other(self, source: Archive) -> str:
        source.put("aa", package("aa", FILE))
        return source.make_key("other@example.com")

    def first(self, source: Archive) -> str:
        said = source.gpg("--with-colons", "--list-keys", "archive@example.com")
        return next(line.split(":")[9] for line in said.splitlines() if line.startswith("fpr"))

    @pytest.mark.parametrize("form", ["{path},{print}", "{path} {print}", "{print}! {path}", "{path},{lower}"])
    def test_a_fingerprint_beside_a_keyring_narrows_it(
        self, bench: Bench, system: Path, source: Archive, other: str, form: str
    ) -> None:
        own = self.first(source)
        words = form.format(path=source.key, print=own, lower=own.lower())
        (system / "etc/apt/sources.list").unlink()
        (system / "etc/apt/sources.list.d").mkdir()
        (system / "etc/apt/sources.list.d/a.sources").write_text(
            f"Types: deb\nURIs: {source.uri}\nSuites: testing\nComponents: main\nSigned-By: {words}\n"
        )
        source.publish(by="other@example.com")
        with pytest.raises(LadingError):
            build(bench, system, "aa")
        source.publish(by="archive@example.com")
        build(bench, system, "aa")

    def test_our_own_check_narrows_too(self, tmp_path: Path, source: Archive, other: str) -> None:
        source.publish(by="other@example.com")
        folder = tmp_path / "state"
        folder.mkdir()
        made = source.source()
        Apt(folder, [made], {made: read_keys(made.signed_by)}, "amd64").update()
        narrowed = read_keys(f"{source.key},{self.first(source)}")
        with pytest.raises(DocumentError, match="signature does not hold"):
            Apt(folder, [made], {made: narrowed}, "amd64").resolve(["aa"])
        named = read_keys(f"{source.key},{other}")
        assert Apt(folder, [made], {made: named}, "amd64").resolve(["aa"]).packages

    @pytest.mark.parametrize("words", ["/k.gpg,short", "ABCDEF01", "/k.gpg 0123456789012345678901234567890123456789x"])
    def test_what_is_neither_path_nor_fingerprint_is_refused(self, words: str) -> None:
        with pytest.raises(InputError, match="neither a path nor a whole fingerprint"):
            read_keys(words)

    def test_a_keyring_that_is_not_there_is_named(self) -> None:
        with pytest.raises(MachineError, match=r"/nowhere\.gpg"):
            read_keys("/nowhere.gpg")


def chosen(tmp_path: Path, options: str, deb822: str = "") -> list[object]:
    folder = tmp_path / "etc/apt/sources.list.d"
    folder.mkdir(parents=True)
    (tmp_path / "etc/apt/sources.list").write_text(f"deb {options} http://a.example.com bookworm main\n")
    (folder / "a.sources").write_bytes(deb822.encode("utf-8", "surrogateescape"))
    return list(select(machine_sources(tmp_path), Release("debian", "bookworm"), "bookworm", ("main",), "amd64"))


@pytest.mark.parametrize(
    "options", ["[snapshot=20240101T000000Z]", "[include=dash]", "[arch+=arm64]", "[trusted=no]", "[targets=Sources]"]
)
def test_an_option_that_is_not_honoured_refuses_the_source(tmp_path: Path, options: str) -> None:
    with pytest.raises(InputError, match="which is not understood here"):
        chosen(tmp_path, options)


@pytest.mark.parametrize("word", ["no", "No", "FALSE", "off", "without", "disable", "0"])
def test_a_source_that_is_off_or_of_other_architectures_is_none(tmp_path: Path, word: str) -> None:
    stanza = "Types: deb\nURIs: http://b.example.com\nSuites: bookworm\nComponents: main\n"
    found = chosen(tmp_path, "[arch=amd64]", f"{stanza}Enabled: {word}\n\n{stanza}Architectures: arm64 i386\n")
    assert len(found) == 1
    with pytest.raises(InputError, match="no source of packages"):
        chosen(tmp_path / "other", "[arch=arm64]")


@pytest.mark.parametrize(
    "option", ["check-valid-until=off", "check-date=WITHOUT", "valid-until-min=9", "date-max-future=9"]
)
def test_an_option_that_loosens_dates_is_told(tmp_path: Path, option: str) -> None:
    (source,) = machine_sources_of(tmp_path, option)
    assert not source.check_dates


def machine_sources_of(tmp_path: Path, option: str) -> list[object]:
    (tmp_path / "etc/apt").mkdir(parents=True)
    (tmp_path / "etc/apt/sources.list").write_text(f"deb [{option}] http://a.example.com bookworm main\n")
    return machine_sources(tmp_path)  # type: ignore[return-value]


def test_words_for_yes_and_no_are_apts() -> None:
    """Held against apt itself, which prints what it makes of them."""
    for word in ("yes", "no", "true", "FALSE", "with", "without", "on", "Off", "enable", "disable", "1", "0", "7", "x"):
        asked = f'Acquire::Test "{word}";'
        said = subprocess.run(
            ["apt-config", "-o", f"Acquire::Test={word}", "shell", "yes", "Acquire::Test/b"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert says(word, no=False) == ("'true'" in said), (asked, said)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("env = {'A=B' = 'c'}", "'A=B' is not a name"),
        ("env = {'' = 'c'}", "'' is not a name"),
        ('env = {A = "x\\u0000y"}', "zero byte"),
        ("labels = {'' = 'c'}", "'' is not a name"),
        ("expose = ['99999/tcp']", "expose: invalid port"),
        ("expose = ['x']", "expose: invalid port"),
        ("expose = ['80/foo']", "invalid proto"),
        ("expose = ['']", "expose: invalid port"),
        ("user = 'a:b:c'", "not an owner"),
        ("user = 'no such'", "not an owner"),
        ("user = '99999999999'", "out of range"),
        ("stop_signal = 'NOPE'", "invalid signal"),
        ("volumes = ['']", "volumes: one is empty"),
    ],
)
def test_the_image_is_held_to_the_rules_of_dockerfiles(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=r"^base\.toml: image: ") as caught:
        parse_spec(f"version = 1\n[debian]\npackages = ['dash']\n[image]\n{text}\n".encode(), "base.toml")
    assert complaint in caught.value.message


def test_a_component_that_is_not_there_is_an_error(bench: Bench, system: Path, source: Archive) -> None:
    source.put("aa", package("aa", FILE))
    source.publish()
    with pytest.raises(InputError, match="has the component 'contrib'"):
        build(bench, system, "aa", more='components = ["main", "contrib"]\n')
    line = f"deb [signed-by={source.key}] {source.uri} testing main contrib\n"
    (system / "etc/apt/sources.list").write_text(line)
    with pytest.raises(LadingError, match="contrib"):
        build(bench, system, "aa", more='components = ["main", "contrib"]\n')
