"""dpkg's database in an image, as dpkg and apt of this machine read it, and go on with it."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.build.debian.deb import Control, Listing
from lading.build.debian.debian_builder import build_debian
from lading.build.debian.dpkg_database import put_database, put_info
from lading.build.graph.request import BuildRequest
from lading.store.errors import DocumentError, InputError
from lading.store.snapshots.mounts import unmount
from lading.store.snapshots.unpack_layers import unpack
from lading.verify.keys.keys import PrivateKey
from suites.building import Bench, Key
from suites.debian_archive import Archive, archive
from suites.machine import needs

pytestmark = needs("root", "overlay", "apt-get", "gpg", "gpgv", "dpkg-deb")

SPEC = """
version = 1
[debian]
essential = true
layers = "{layers}"
status = "{status}"
packages = ["tool"]
"""
_SCRIPT = "#!/bin/sh\necho configured >> $DPKG_ROOT/configured\n"


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Archive]:
    folder = tmp_path / "archive"
    folder.mkdir()
    with archive(folder) as made:
        made.add("dpkg", {"usr/share/dpkg/x": "x"}, Essential="yes", Depends="libc6")
        made.add("libc6", {"usr/lib/libc.so": "code", "DEBIAN/triggers": "interest-noawait ldconfig\n"})
        made.add(
            "tool",
            {
                "bin/tool": "#!/bin/sh\n",
                "etc/tool/tool.conf": "a = 1\n",
                "DEBIAN/conffiles": "/etc/tool/tool.conf\n",
                "DEBIAN/triggers": "interest /usr/share/icons\nactivate-noawait ldconfig\n",
                "DEBIAN/postinst": _SCRIPT,
            },
            Depends="libc6",
        )
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
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "root", Key(PrivateKey.generate()))
    yield made
    made.close()


@pytest.fixture(params=["one", "package"])
def image(request: pytest.FixtureRequest, tmp_path: Path, bench: Bench, system: Path, source: Archive) -> Path:
    """The root of an image of the set, where everything may be written."""
    return _image(tmp_path, bench, system, SPEC.format(layers=request.param, status="installed"))


@pytest.fixture
def unconfigured(tmp_path: Path, bench: Bench, system: Path, source: Archive) -> Path:
    return _image(tmp_path, bench, system, SPEC.format(layers="one", status="unpacked"))


def _image(tmp_path: Path, bench: Bench, system: Path, spec: str) -> Path:
    file = system / "base.toml"
    file.write_text(spec)
    built = build_debian(BuildRequest(system, file=file), bench.environment, fresh=False, system=system)
    manifest = bench.manifest(built.descriptor)
    top = unpack(bench.store.snapshots, bench.store.blobs, manifest, bench.store.config(manifest))
    assert top is not None
    mounted, image = tmp_path / "mounted", tmp_path / "image"
    mounted.mkdir()
    bench.store.snapshots.mount(top, mounted, readonly=True)
    try:
        subprocess.run(["cp", "-a", mounted, image], check=True)
    finally:
        unmount(mounted)
    return image


def dpkg(root: Path, *words: str, check: bool = True) -> str:
    done = subprocess.run(
        ["dpkg", f"--root={root}", "--force-script-chrootless", *words], check=check, capture_output=True, text=True
    )
    return done.stdout


def test_dpkg_finds_every_package_and_nothing_amiss(image: Path) -> None:
    listed = subprocess.run(
        ["dpkg-query", f"--root={image}", "-W", "-f", "${Package} ${Version} ${db:Status-Abbrev}\n"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert sorted(line.split() for line in listed.splitlines()) == [
        ["dpkg", "1.0", "ii"], ["libc6", "1.0", "ii"], ["tool", "1.0", "ii"]
    ]  # fmt: skip
    assert dpkg(image, "--audit") == ""
    assert dpkg(image, "--verify", check=False) == ""
    assert not (image / "var/lib/dpkg/status.d").exists()


def test_dpkg_knows_the_files_the_configuration_and_who_waits_for_what(image: Path) -> None:
    names = dpkg(image, "-L", "tool").splitlines()
    assert names == ["/.", "/bin", "/bin/tool", "/etc", "/etc/tool", "/etc/tool/tool.conf"]
    assert dpkg(image, "-S", "/usr/lib/libc.so").startswith("libc6")
    digest = hashlib.md5(b"a = 1\n", usedforsecurity=False).hexdigest()
    shown = subprocess.run(
        ["dpkg-query", f"--root={image}", "-W", "-f", "${Conffiles}", "tool"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert shown.split() == ["/etc/tool/tool.conf", digest]
    triggers = image / "var/lib/dpkg/triggers"
    assert (triggers / "File").read_text() == "/usr/share/icons tool\n"
    assert (triggers / "ldconfig").read_text() == "libc6/noawait\n"


def test_apt_goes_on_and_installs_nothing_again(image: Path, source: Archive, tmp_path: Path) -> None:
    source.add("more", {"usr/share/more": "x"}, Depends="tool, libc6")
    source.publish()
    state = tmp_path / "apt"
    for name in ("lists/partial", "cache/archives/partial"):
        (state / name).mkdir(parents=True)
    (state / "sources.list").write_text(f"deb [arch=amd64 signed-by={source.key}] {source.uri} testing main\n")
    (state / "apt.conf").write_text(
        f'Dir::State::lists "{state}/lists"; Dir::State::status "{image}/var/lib/dpkg/status";\n'
        f'Dir::State "{state}"; Dir::Cache "{state}/cache"; Dir::Etc::sourcelist "{state}/sources.list";\n'
        'Dir::Etc::sourceparts "/dev/null"; Dir::Etc::parts "/dev/null"; APT::Sandbox::User "root";\n'
        f'DPkg::Options {{ "--root={image}"; "--force-script-chrootless"; }};\n'
    )
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "APT_CONFIG": str(state / "apt.conf"), "LC_ALL": "C"}
    for words in (["update"], ["install", "-y", "more"]):
        said = subprocess.run(
            ["apt-get", "-q", *words], check=True, capture_output=True, text=True, env=environment
        ).stdout
    assert "0 upgraded, 1 newly installed, 0 to remove and 0 not upgraded." in said
    assert (image / "usr/share/more").exists()
    assert dpkg(image, "--audit") == ""


def test_apt_has_more_from_where_its_own_package_says_the_archive_is(
    tmp_path: Path, bench: Bench, system: Path, source: Archive
) -> None:
    source.origin = "Debian"
    stanzas = (("debian", "testing"), ("debian-security", "testing-security"))
    example = "\n".join(
        f"Types: deb\nURIs: http://deb.example.com/{name}\nSuites: {suite}\n" for name, suite in stanzas
    )
    source.add("apt", {"usr/share/doc/apt/examples/debian.sources": example}, Essential="yes")
    source.publish()
    image = _image(tmp_path, bench, system, SPEC.format(layers="one", status="installed"))
    text = (image / "etc/apt/sources.list.d/archive.sources").read_text()
    assert "URIs: http://deb.example.com/debian\n" in text
    assert "archive:" not in text


def test_without_such_an_example_apt_is_given_no_source(
    tmp_path: Path, bench: Bench, system: Path, source: Archive
) -> None:
    source.origin = "Debian"
    source.add("apt", {"usr/bin/apt": "x"}, Essential="yes")
    source.publish()
    image = _image(tmp_path, bench, system, SPEC.format(layers="one", status="installed"))
    assert not (image / "etc/apt/sources.list.d/archive.sources").exists()


def test_an_upgrade_by_dpkg_replaces_files_and_configuration_that_nobody_changed(image: Path, source: Archive) -> None:
    deb = source.add(
        "tool", {"usr/bin/tool": "#!/bin/sh\n", "etc/tool/tool.conf": "a = 2\n",
                 "DEBIAN/conffiles": "/etc/tool/tool.conf\n"}, version="2.0"
    )  # fmt: skip
    dpkg(image, "--force-depends", "-i", str(deb))
    assert (image / "etc/tool/tool.conf").read_text() == "a = 2\n"
    dpkg(image, "--force-all", "--purge", "tool")
    assert not (image / "usr/bin/tool").exists()
    assert not (image / "etc/tool").exists()


def test_what_is_unpacked_is_configured_by_its_own_script(unconfigured: Path) -> None:
    postinst = unconfigured / "var/lib/dpkg/info/tool.postinst"
    assert postinst.stat().st_mode & 0o777 == 0o755
    assert not (unconfigured / "configured").exists()
    dpkg(unconfigured, "--configure", "-a")
    assert (unconfigured / "configured").read_text() == "configured\n"
    assert dpkg(unconfigured, "--audit") == ""


def test_packages_for_dpkg_without_dpkg_are_refused(bench: Bench, system: Path) -> None:
    file = system / "base.toml"
    file.write_text('version = 1\n[debian]\npackages = ["libc6"]\nstatus = "unpacked"\n')
    with pytest.raises(InputError, match=r'base\.toml: status = "unpacked" is for sets that dpkg is in'):
        build_debian(BuildRequest(system, file=file), bench.environment, fresh=False, system=system)


def test_a_package_that_writes_into_the_database_is_refused(bench: Bench, system: Path, source: Archive) -> None:
    source.add("evil", {"var/lib/dpkg/info/libc6:all.postinst": "#!/bin/sh\n"})
    source.publish()
    file = system / "base.toml"
    file.write_text('version = 1\n[debian]\npackages = ["dpkg", "evil"]\n')
    with pytest.raises(DocumentError, match=r"evil 1\.0: brings what belongs into /var/lib/dpkg/info"):
        build_debian(BuildRequest(system, file=file), bench.environment, fresh=False, system=system)


@pytest.mark.parametrize("architecture", ["../../../../../../outside", "/../../../../../../outside"])
def test_no_word_of_a_package_leads_out_of_its_tree(tmp_path: Path, architecture: str) -> None:
    tree = tmp_path / "a/b/tree"
    tree.mkdir(parents=True)
    control = Control(f"Package: tool\nMulti-Arch: same\nArchitecture: {architecture}\n".encode(), {})
    with pytest.raises(DocumentError, match="leads out of its folder"):
        put_info(tree, control, Listing((), {}))
    assert [path for path in tmp_path.rglob("*") if "outside" in path.name] == []


def test_a_trigger_is_no_folder(tmp_path: Path) -> None:
    control = Control(b"Package: tool\n", {"triggers": (b"interest ..\n", False)})
    with pytest.raises(DocumentError, match="is not a trigger's name"):
        put_database(tmp_path, [control], [], "installed")
