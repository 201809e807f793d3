"""Owners and users in every form that the reference takes. The numbers are those that BuildKit 0.34 gives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.build.errors import DockerfileError
from lading.store.oci.descriptors import Descriptor
from suites.building import Bench, busybox, write
from suites.machine import needs

pytestmark = needs("root", "overlay", "busybox")


@pytest.fixture(scope="module")
def based(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("owners")
    bench = Bench(folder / "store")
    bench.build(busybox(folder / "base"), names=("localhost/base:latest",))
    yield bench
    bench.close()


def _owner(bench: Bench, image: Descriptor, name: str) -> tuple[object, object]:
    _, uid, gid, _ = bench.files(image)[name]
    return uid, gid


FORMS = [
    ("web", (1000, 1001)),
    ("web:", (1000, 1001)),
    (":logs", (0, 2000)),
    (":", (0, 0)),
    ("web:logs", (1000, 2000)),
    ("web:5000", (1000, 5000)),
    ("1000:logs", (1000, 2000)),
    ("5000", (5000, 5000)),
    ("007:010", (7, 10)),
    ("root", (0, 0)),
    ("root:root", (0, 0)),
    ("0:root", (0, 0)),
]


@pytest.mark.parametrize(("form", "owner"), FORMS)
def test_chown(based: Bench, tmp_path: Path, form: str, owner: tuple[int, int]) -> None:
    context = write(tmp_path, {"Dockerfile": f"FROM base\nCOPY --chown={form} a /x/\n", "a": ""})
    image = based.build(context).descriptor
    assert (_owner(based, image, "x"), _owner(based, image, "x/a")) == (owner, owner)


@pytest.mark.parametrize(("form", "owner"), FORMS)
def test_user(based: Bench, tmp_path: Path, form: str, owner: tuple[int, int]) -> None:
    context = write(tmp_path, {"Dockerfile": f"FROM base\nUSER {form}\nWORKDIR /x\n"})
    assert _owner(based, based.build(context).descriptor, "x") == owner


@pytest.mark.parametrize("form", ["root", "root:root", "0:root", "root:0", ":root", ":"])
def test_root_needs_no_passwd(based: Bench, tmp_path: Path, form: str) -> None:
    dockerfile = f"FROM scratch\nCOPY --chown={form} a /\nUSER {form}\nWORKDIR /x\n"
    image = based.build(write(tmp_path, {"Dockerfile": dockerfile, "a": ""})).descriptor
    assert (_owner(based, image, "a"), _owner(based, image, "x")) == ((0, 0), (0, 0))


WRONG = ["a:b:c", "web:b:c", "1:2:3", "4294967295", "99999999999", "9" * 5000, "web:" + "9" * 5000]
UNKNOWN = ["nobody", "web:nobody", "-1", "web:-1", "0x10", "²", "\u0661\u0660", "1_0"]  # Arabic digits are none here


@pytest.mark.parametrize("form", [*WRONG, *UNKNOWN])
def test_what_is_no_owner_is_refused_in_its_place(based: Bench, tmp_path: Path, form: str) -> None:
    reason = "not an owner" if form in WRONG else "is not in the image's /etc/"
    copy = write(tmp_path / "copy", {"Dockerfile": f"FROM base\nCOPY --chown={form} a /\n", "a": ""})
    with pytest.raises(DockerfileError, match=f"^Dockerfile:2: COPY: .*{reason}"):
        based.build(copy)
    user = write(tmp_path / "user", {"Dockerfile": f"FROM base\nUSER {form}\nWORKDIR /x\n"})
    with pytest.raises(DockerfileError, match=f"^Dockerfile:3: WORKDIR: .*{reason}"):
        based.build(user)


def test_a_user_that_nothing_asks_for_is_not_looked_up(based: Bench, tmp_path: Path) -> None:
    based.build(write(tmp_path, {"Dockerfile": "FROM base\nUSER a:b:c\n"}), names=("localhost/odd:latest",))
    with pytest.raises(DockerfileError, match=r"^Dockerfile:2: WORKDIR: not an owner: 'a:b:c'"):
        based.build(write(tmp_path / "next", {"Dockerfile": "FROM odd\nWORKDIR /x\n"}))


@pytest.mark.parametrize(
    ("made", "user", "owner"),
    [
        (("/etc/real", "real"), "web", (1000, 1001)),
        (("/usr/etc/p", "../usr/etc/p"), "web", (1000, 1001)),
        (("/usr/etc/p", "../../../../usr/etc/p"), "web", (1000, 1001)),
    ],
)
def test_passwd_by_a_link(
    based: Bench, tmp_path: Path, made: tuple[str, str], user: str, owner: tuple[int, int]
) -> None:
    passwd = "root:x:0:0::/:/bin/sh\nweb:x:1000:1001::/:/bin/sh\n"
    context = write(tmp_path, {"Dockerfile": f"FROM scratch\nCOPY root /\nCOPY --chown={user} a /\n", "a": ""})
    write(context, {f"root{made[0]}": passwd, "root/etc/group": ""})
    (context / "root/etc/passwd").symlink_to(made[1])
    assert _owner(based, based.build(context).descriptor, "a") == owner


def test_passwd_that_is_no_file_or_leads_out_is_not_read(based: Bench, tmp_path: Path) -> None:
    """The user of the host's own passwd is never found."""
    context = write(tmp_path, {"Dockerfile": "FROM base\nCOPY --chown=daemon a /\n", "a": ""})
    for number, target in enumerate(["../../../../../../etc/passwd", "/proc/1/root/etc/passwd", "passwd"]):
        base = write(tmp_path / f"base{number}", {"Dockerfile": "FROM scratch\nCOPY etc /etc\n", "etc": None})
        os.symlink(target, base / "etc/passwd")
        based.build(base, names=("localhost/linked:latest",))
        (context / "Dockerfile").write_text("FROM linked\nCOPY --chown=daemon a /\n")
        with pytest.raises(DockerfileError, match=r"^Dockerfile:2: COPY: "):
            based.build(context)
