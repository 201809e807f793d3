"""Databases of rpm in all their forms: read as rpm itself and go-rpmdb read those that distributions made."""

from __future__ import annotations

import io
import json
import re
import sqlite3
import struct
import subprocess
import tarfile
from collections import deque
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.inventory.packages.packages import take_inventory
from lading.inventory.packages.rpm_databases import headers_in
from lading.inventory.packages.rpm_headers import RpmHeader
from lading.store.errors import DocumentError
from suites.machine import needs
from suites.tars import archive, file, opened

REFERENCE = Path(__file__).parent / "reference"
DATABASES = (
    *(f"centos{name}/Packages" for name in ("5-plain", "6-plain", "7-plain", "7-httpd24", "8-modularitylabel")),
    *("libuuid/Packages", "ubi8-s390x/Packages", "sle15-bci/Packages.db"),
    *("cbl-mariner-2.0/rpmdb.sqlite", "fedora35/rpmdb.sqlite"),
)
Rows = set[tuple[Any, ...]]


@cache
def fetched() -> Path:
    """The databases that the tests of go-rpmdb have."""
    words = ["go", "list", "-mod=mod", "-m", "-f", "{{.Dir}}", "github.com/knqyf263/go-rpmdb"]
    subprocess.run(["go", "mod", "download"], cwd=REFERENCE, check=True, capture_output=True)
    done = subprocess.run(words, cwd=REFERENCE, check=True, capture_output=True, text=True)
    return Path(done.stdout.strip()) / "pkg/testdata"


@cache
def by_go(path: Path) -> Rows:
    words = ["go", "run", "-trimpath", ".", str(path)]
    done = subprocess.run(words, cwd=REFERENCE, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)[str(path)]
    return {
        (one["Name"], one["Version"], one["Arch"], tuple(name.lstrip("/") for name in one["Files"] or ()))
        for one in found
        if one["Name"] != "gpg-pubkey"
    }


def layer(path: str, content: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        info = tarfile.TarInfo(path)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


def by_rpm(path: Path, folder: Path) -> Rows:
    (folder / path.name).write_bytes(path.read_bytes())  # it makes files beside it
    form = "%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}"
    words = ["rpm", "--dbpath", str(folder), "-qa", "--qf", f"%{{NAME}} {form} %{{ARCH}}[ %{{FILENAMES}}]\\n"]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    rows = (re.split(r" (?=/|$)", line) for line in done.stdout.splitlines())
    found = ((*first.split(" "), tuple(name.lstrip("/") for name in rest)) for first, *rest in rows)
    return {(name, version, arch, files) for name, version, arch, files in found if name != "gpg-pubkey"}


@needs("go", "rpm")
@pytest.mark.parametrize("name", DATABASES)
def test_packages_and_their_files_are_those_that_others_read(name: str, tmp_path: Path) -> None:
    path = fetched() / name
    folder = "usr/lib/sysimage/rpm" if "fedora" in name else "var/lib/rpm"
    packages = take_inventory(opened(layer(f"{folder}/{path.name}", path.read_bytes()))).packages
    ours = {
        (one.name, one.version, one.architecture, tuple(name.decode("utf-8", "surrogateescape") for name in one.files))
        for one in packages
    }
    assert ours == (by_rpm(path, tmp_path) if path.suffix == ".sqlite" else by_go(path))
    assert all(
        re.fullmatch(r"pkg:rpm/[^@]+@[^?]+\?arch=\w+(&epoch=\d+)?(&upstream=[^&]+)?", one.url) for one in packages
    )


@needs("go")
@pytest.mark.parametrize("name", ["libuuid/Packages", "sle15-bci/Packages.db", "cbl-mariner-2.0/rpmdb.sqlite"])
@given(
    places=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=20),
    cut=st.floats(0, 1),
)
def test_a_damaged_one_is_refused_or_read_to_an_end(name: str, places: list[tuple[float, int]], cut: float) -> None:
    raw = bytearray((fetched() / name).read_bytes())
    for place, value in places:
        raw[int(place * len(raw))] = value
    try:
        for header in map(RpmHeader, headers_in(bytes(raw[: int(cut * len(raw)) + 1]))):
            header.files()
    except DocumentError:
        pass


def test_what_is_none_is_told_by_its_path() -> None:
    with pytest.raises(DocumentError, match="Packages: a database of rpm in a form"):
        take_inventory(opened(archive([file("var/lib/rpm/Packages", "no database")])))


def view(sql: str) -> bytes:
    """A database whose table is a view."""
    made = sqlite3.connect(":memory:")
    made.execute(f"CREATE VIEW Packages AS {sql}")
    return made.serialize()


def slots(many: int) -> bytes:
    """One package of 4 MiB, in so many slots of ndb."""
    start, size = many // 256 + 1, 4 << 20
    head = struct.pack("<4sIII16x", b"RpmP", 0, 0, start)
    body = head + struct.pack("<4sIII", b"Slot", 1, start * 256, 0) * many
    return body.ljust(start * 4096, b"\0") + struct.pack("<4sIII", b"BlbS", 1, 0, size) + bytes(size)


def hash_pages(many: int) -> bytes:
    """One chain of so many pages of Berkeley DB, which two entries of the first one name."""
    size = 4096
    made = bytearray(size * many)
    made[12:16] = b"\x61\x15\x06\0"
    struct.pack_into("<I", made, 20, size)
    made[size + 25] = 13
    struct.pack_into("<H", made, size + 20, 4)
    struct.pack_into("<4H", made, size + 26, *[4000] * 4)
    struct.pack_into("<B3xII", made, size + 4000, 3, 2, 17)
    for page in range(2, many):
        struct.pack_into("<I", made, page * size + 16, page + 1 if page < many - 1 else 0)
        struct.pack_into("<H", made, page * size + 22, 100)
    return bytes(made)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (view("SELECT zeroblob(1 << 29) AS blob"), "too big"),
        (
            view("WITH RECURSIVE a(n) AS (SELECT zeroblob(4000) UNION ALL SELECT n FROM a) SELECT n AS blob FROM a"),
            "more in it",
        ),
        (view("SELECT 5 AS blob"), "no blob"),
        (slots(1000), "smaller than what it holds"),
        (hash_pages(100), "go round"),
    ],
)
def test_one_that_holds_more_than_itself_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(DocumentError, match=said):
        deque(headers_in(data), 0)


@pytest.mark.parametrize("letters", [4096, 1 << 20])
def test_a_long_folder_is_not_put_before_every_name(letters: int) -> None:
    many, folder = 1 << 18, b"x" * letters + b"\0" * 4
    places = [(1118, 8, 0, 1), (1116, 4, len(folder), many), (1117, 8, len(folder) + 4 * many, many)]
    body = folder + bytes(5 * many)
    header = struct.pack(">II", 3, len(body)) + b"".join(struct.pack(">IIII", *one) for one in places) + body
    with pytest.raises(DocumentError, match="longer path"):
        RpmHeader(header).files()
