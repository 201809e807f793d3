"""Builds by ordinary users: in a user namespace with the digest of root's build, and what they cannot do without."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from suites.building import write
from suites.commands import Lading
from suites.machine import needs
from suites.ordinary_user import UID, OrdinaryUser, ordinary_user

pytestmark = needs("root", "overlay", "crun", "busybox", "newuidmap")

TOOLS = """\
FROM scratch
COPY busybox /bin/
RUN ["/bin/busybox", "--install", "-s", "/bin"]
"""
OWNERS = """\
RUN mkdir -p /srv/a && echo 1 > /srv/a/one && ln /srv/a/one /srv/same && chown -R 7:8 /srv/a && chmod 4755 /srv/same
RUN rm -r /srv/a && mkdir /srv/a && echo 2 > /srv/a/two
RUN --mount=type=secret,id=token --mount=type=cache,target=/cache --mount=type=tmpfs,target=/scratch \
    wc -c < /run/secrets/token > /srv/size && cp /run/secrets/token /cache/
RUN --network=none hostname > /srv/name
"""
BUILD = """\
set -e
lading keygen > /dev/null
lading build -q --secret id=token,env=TOKEN -t localhost/made $HOME/context
lading provenance localhost/made --format json > $HOME/provenance
grep -c '"isolation": *"rootless"' $HOME/provenance > /dev/null
! grep -c keyExposed $HOME/provenance > /dev/null
lading rmi -f localhost/made > /dev/null
lading builder prune -fa > /dev/null
"""


@pytest.fixture
def user() -> Iterator[OrdinaryUser]:
    with ordinary_user() as found:
        yield found


def context(user: OrdinaryUser, text: str) -> Path:
    program = shutil.which("busybox")
    assert program
    folder = write(user.folder / "context", {"Dockerfile": text, "busybox": Path(program).read_bytes()})
    (folder / "busybox").chmod(0o755)
    return folder


def test_a_build_in_a_user_namespace_gives_roots_digest_and_leaves_nothing(user: OrdinaryUser, tmp_path: Path) -> None:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    folder = context(user, TOOLS + OWNERS)
    digest = lading.ok("build", "-q", "--secret", "id=token,env=TOKEN", folder, TOKEN="s3cret")
    done = user.run("sh", "-c", BUILD, TOKEN="s3cret")
    assert (done.returncode, done.stdout.strip()) == (0, digest), done.stderr
    left = [place for place, _, _ in os.walk(user.folder / ".local") if os.lstat(place).st_uid != UID]
    assert left == []


def test_without_further_users_a_change_of_owner_fails_and_all_else_builds(user: OrdinaryUser) -> None:
    context(user, f"{TOOLS}RUN echo 1 > /one\n")
    script = "lading keygen > /dev/null && lading build -q $HOME/context"
    done = user.run("sh", "-c", script, ranges=False)
    assert done.returncode == 0, done.stderr
    assert "/etc/subuid" in done.stderr
    context(user, f"{TOOLS}RUN echo 1 > /one && chown 7:8 /one\n")
    done = user.run("sh", "-c", "lading build -q $HOME/context", ranges=False)
    assert done.returncode == 1
    assert "Invalid argument" in done.stderr


@pytest.mark.parametrize("ranges", [True, False])
def test_a_changed_root_folder_is_enough_for_an_ordinary_user(user: OrdinaryUser, ranges: bool) -> None:
    context(user, f"{TOOLS}RUN test $(id -u) = 0 && echo 1 > /one\n")
    script = "lading keygen > /dev/null && lading build -q --isolation chroot $HOME/context"
    done = user.run("sh", "-c", script, ranges=ranges)
    assert done.returncode == 0, done.stderr


def test_without_namespaces_run_is_refused(user: OrdinaryUser) -> None:
    context(user, TOOLS)
    done = user.run("sh", "-c", "lading keygen > /dev/null && lading build $HOME/context", namespaces=False)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith("lading: ")]
    assert lines == ["lading: Dockerfile:3: RUN needs root or user namespaces, and this process has neither"]


def test_without_namespaces_files_that_only_copy_build_as_roots_do(user: OrdinaryUser, tmp_path: Path) -> None:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    folder = context(user, 'FROM scratch\nCOPY busybox /bin/sh\nWORKDIR /srv/work\nCOPY busybox b\nCMD ["/bin/sh"]\n')
    digest = lading.ok("build", "-q", folder)
    done = user.run("sh", "-c", "lading keygen > /dev/null && lading build -q $HOME/context", namespaces=False)
    assert (done.returncode, done.stdout.strip()) == (0, digest), done.stderr
