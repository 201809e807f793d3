"""Packages are found where package managers record them, in what is left when all layers are merged."""

from __future__ import annotations

import io
import json
import re
import shutil
import tarfile
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from lading.inventory.packages import golang, records
from lading.inventory.packages.package import Package
from lading.inventory.packages.packages import take_inventory
from lading.store.oci.digests import Digest
from lading.verify.reports.bill import Bill
from lading.verify.reports.cyclonedx import cyclonedx
from lading.verify.reports.spdx import spdx
from suites.machine import needs
from suites.recorded_trees import TREES, RecordedTree, go_program
from suites.tars import archive, file, opened

DPKG = """Package: libc6
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Source: glibc (2.36-9)
Version: 2.36-9+deb12u4
Description: GNU C Library
 Package: fake
Conffiles:
 /etc/ld.so.conf.d/x 1234

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1
"""
RECORDS = {
    "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
    "var/lib/dpkg/status": DPKG,
    "var/lib/dpkg/info/libc6:amd64.list": "/.\n/lib\n/lib/libc.so.6\n",
    "var/lib/dpkg/status.d/tzdata": "Package: tzdata\nVersion: 2024a-0\nArchitecture: all\n",
    "var/lib/dpkg/status.d/tzdata.md5sums": "00  usr/share/zoneinfo/UTC\n",
    "lib/apk/db/installed": "P:musl\nV:1.2.4-r2\nA:x86_64\no:musl\nF:lib\nR:ld-musl-x86_64.so.1\nZ:Q1x\n\n",
    "usr/lib/python3/Foo_Bar-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: Foo_Bar\nVersion: 1.0\n\nName: no",
    "usr/lib/python3/Foo_Bar-1.0.dist-info/RECORD": "foo/__init__.py,,\n../../bin/foo,sha256=x,5\n",
    "usr/lib/python3/old.egg-info/PKG-INFO": "Name: old\nVersion: 0.1\n",
    "srv/node_modules/@scope/one/package.json": '{"name": "@scope/one", "version": "1.2.3"}',
    "srv/node_modules/@scope/one/lib/package.json": '{"name": "none", "version": "1"}',
    "srv/node_modules/two/package.json": '{"name": "two", "version": "2.0.0-rc.1"}',
    "srv/node_modules/two/index.js": "",
    "srv/node_modules/broken/package.json": "{",
}
URLS = {
    "pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?arch=amd64&distro=debian-12&upstream=glibc%402.36-9",
    "pkg:deb/debian/tzdata@2024a-0?arch=all&distro=debian-12",
    "pkg:apk/debian/musl@1.2.4-r2?arch=x86_64&distro=debian-12",
    "pkg:pypi/foo-bar@1.0",
    "pkg:pypi/old@0.1",
    "pkg:npm/%40scope/one@1.2.3",
    "pkg:npm/two@2.0.0-rc.1",
}


def layer(files: dict[str, str]) -> bytes:
    return archive([file(path, content) for path, content in files.items()])


def test_every_kind_is_found_with_its_files() -> None:
    found = take_inventory(opened(layer(RECORDS)))
    assert {package.url for package in found.packages} == URLS
    owners = {path.decode(): package.name for path, package in found.owners().items()}
    assert owners["lib/libc.so.6"] == "libc6"
    assert owners["usr/share/zoneinfo/UTC"] == "tzdata"
    assert owners["lib/ld-musl-x86_64.so.1"] == "musl"
    assert owners["usr/lib/python3/foo/__init__.py"] == "foo-bar"
    assert owners["usr/bin/foo"] == "foo-bar"
    assert owners["srv/node_modules/two/index.js"] == "two"
    libc = next(package for package in found.packages if package.name == "libc6")
    assert (libc.source, libc.layer) == ("glibc", 0)


@pytest.mark.parametrize(
    ("said", "licenses"),
    [
        ("MIT", ("MIT",)),
        ("MIT ISC", ("MIT", "ISC")),
        ("GPL-2.0-only WITH Linux-syscall-note", ("GPL-2.0-only WITH Linux-syscall-note",)),
        ("MIT and (ISC or Zlib)", ("MIT and (ISC or Zlib)",)),
        ("MIT or ISC", ("MIT or ISC",)),
    ],
)
def test_licences_of_alpine_are_an_expression_or_names_side_by_side(said: str, licenses: tuple[str, ...]) -> None:
    (found,) = take_inventory(opened(layer({"lib/apk/db/installed": f"P:a\nV:1\nL:{said}\n\n"}))).packages
    assert found.licenses == licenses


def test_what_a_later_layer_removes_is_not_there() -> None:
    base = layer(RECORDS)
    above = archive(
        [
            file("srv/node_modules/.wh.two", ""),
            file("var/lib/dpkg/.wh.status.d", ""),
            file("var/lib/dpkg/status", DPKG.replace("2.36-9+deb12u4", "2.36-10")),
        ]
    )
    found = take_inventory(opened(base, above))
    urls = {package.url for package in found.packages}
    assert "pkg:deb/debian/libc6@2.36-10?arch=amd64&distro=debian-12&upstream=glibc%402.36-9" in urls
    assert len(urls) == len(URLS) - 2


@needs("umoci")
def test_the_version_of_go_that_a_program_was_made_with() -> None:
    """Debian's programs name no modules, and the package that they were made of."""
    found = take_inventory(opened(binary(Path(shutil.which("umoci") or "").read_bytes())))
    stdlib, program = found.packages
    assert program.url.startswith("pkg:golang/github.com/opencontainers/umoci/")
    assert re.fullmatch(r"pkg:golang/stdlib@1\.[0-9.]+", stdlib.url)


@pytest.mark.parametrize("before", [16, 1 << 20, (1 << 20) - 8 - 8, 3 << 20])
def test_modules_of_a_go_program(before: int) -> None:
    text = "path\tcmd/app\nmod\texample.com/app\t(devel)\t\ndep\texample.com/one/v2\tv2.3.4\th1:x=\n"
    text += "dep\texample.com/two\tv1.0.0\th1:x=\n=>\texample.com/fork\tv1.0.1\th1:y=\nbuild\t-buildmode=exe\n"
    modules = b"0" * 16 + text.encode() + b"1" * 16
    head = golang.MAGIC + b"\x08\x02" + bytes(16)
    info = head + b"\x06go1.22" + bytes([len(modules) & 0x7F | 0x80, len(modules) >> 7]) + modules
    start = b"\x7fELF" + (golang.MAGIC + b"not aligned").rjust(before - 5, b"\0")
    program = start + bytes(-len(start) % 16) + info + bytes(100)
    assert {package.url for package in take_inventory(opened(binary(program))).packages} == {
        "pkg:golang/stdlib@1.22",
        "pkg:golang/example.com/app",
        "pkg:golang/example.com/one/v2@v2.3.4",
        "pkg:golang/example.com/fork@v1.0.1",
    }


def test_a_go_program_without_a_zone_in_its_time_has_no_version_by_it() -> None:
    """It would be another one in another zone."""
    text = "path\tcmd/app\nmod\texample.com/app\t(devel)\t\n"
    text += f"build\tvcs.revision={'a' * 40}\nbuild\tvcs.time=2024-05-06T07:08:09\n"
    found = take_inventory(opened(binary(go_program(text, "go1.22")))).packages
    assert "pkg:golang/example.com/app" in {one.url for one in found}


def test_lines_without_end_are_read_once() -> None:
    """A mebibyte of blanks in a copyright file, and a field of as many lines: their cost is their length."""
    assert records.header(b"Name: a\n" + b" b\n" * (1 << 20))[0][1].count("\n") == 1 << 20
    head = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
    files = [
        file("var/lib/dpkg/status", "Package: p\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n"),
        file("usr/share/doc/p/copyright", f"{head}License: a{' ' * (1 << 20)}b or c\n"),
    ]
    (package,) = take_inventory(opened(archive(files))).packages
    assert package.licenses == ("a b", "c")


def binary(content: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        info = tarfile.TarInfo("bin/program")
        info.size, info.mode = len(content), 0o755
        tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


def bill(packages: tuple[Package, ...]) -> Bill:
    digest = Digest.of(b"image")
    release = {"ID": "debian", "VERSION_ID": "12"}
    url = f"pkg:oci/app@sha256%3A{digest.hex}?repository_url=localhost/app"
    return Bill("localhost/app", digest, url, "1980-01-01T00:00:00Z", "0.1.0", packages, release)


def test_both_documents_are_what_their_schemas_ask_for() -> None:
    packages = take_inventory(opened(layer(RECORDS))).packages
    made = json.dumps(cyclonedx(bill(packages)))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(made) is None
    assert {item.get("purl") for item in cyclonedx(bill(packages))["components"]} == {*URLS, None}  # type: ignore[attr-defined]
    document = spdx(bill(packages))
    parsed = JsonLikeDictParser().parse(json.loads(json.dumps(document)))
    assert validate_full_spdx_document(parsed, "SPDX-2.3") == []
    assert len(parsed.packages) == len(URLS) + 1
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(cyclonedx(bill(())))) is None


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.name)
def test_so_are_those_of_odd_trees(tree: RecordedTree) -> None:
    packages = take_inventory(opened(tree.layer())).packages
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(cyclonedx(bill(packages)))) is None
    parsed = JsonLikeDictParser().parse(json.loads(json.dumps(spdx(bill(packages)))))
    assert validate_full_spdx_document(parsed, "SPDX-2.3") == []


def test_the_schemas_do_refuse() -> None:
    wrong = {**cyclonedx(bill(())), "version": "one"}
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(wrong)) is not None
