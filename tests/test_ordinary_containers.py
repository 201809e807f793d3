"""Builds where people build: in a container without mounts, namespaces and devices, with the digest of root's build."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from suites.building import write
from suites.commands import LADING, Lading, busybox
from suites.machine import needs
from suites.ordinary_container import HOUSE, OrdinaryContainer, ordinary_container

pytestmark = needs("root", "overlay", "crun", "podman", "busybox")

TEXT = """\
FROM scratch AS tools
COPY busybox /bin/
RUN ["/bin/busybox", "--install", "-s", "/bin"]

FROM tools AS made
RUN mkdir -p /srv/a /srv/b && echo 1 > /srv/a/one && ln /srv/a/one /srv/b/same && chown -R 7:8 /srv/b
RUN rm -r /srv/a && mkdir /srv/a && echo 2 > /srv/a/two && chmod 4755 /srv/b/same && mknod /srv/null c 1 3
RUN --mount=type=secret,id=token --mount=type=cache,target=/cache --mount=type=tmpfs,target=/scratch \
    wc -c < /run/secrets/token > /srv/size && cp /run/secrets/token /cache/ && cp /run/secrets/token /scratch/
RUN --network=none id > /srv/id && hostname > /dev/null

FROM tools
COPY --from=made /srv /srv
RUN --mount=type=bind,from=made,source=/srv,target=/in,rw rm /in/id && cp -a /in /out
USER 7:8
RUN id > /tmp/id || true
"""
SCRIPT = """\
set -e
! unshare -U true 2>/dev/null
! mount -t tmpfs x /tmp 2>/dev/null
lading keygen >&2
lading build -q --secret id=token,env=TOKEN -t localhost/made /context
lading provenance localhost/made --format json > /tmp/provenance
grep -c '"isolation": *"chroot"' /tmp/provenance > /dev/null
grep -c '"keyExposed": *true' /tmp/provenance > /dev/null
! grep -rl "$TOKEN" /var/lib/lading/snapshots /var/lib/lading/blobs /var/lib/lading/index.db
"""


@pytest.fixture(scope="module")
def container() -> Iterator[OrdinaryContainer]:
    with ordinary_container() as found:
        yield found


def test_a_build_in_it_gives_roots_digest_and_keeps_no_secret(container: OrdinaryContainer, tmp_path: Path) -> None:
    program = shutil.which("busybox")
    assert program
    context = write(tmp_path / "context", {"Dockerfile": TEXT, "busybox": Path(program).read_bytes()})
    (context / "busybox").chmod(0o755)
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    (tmp_path / "token").write_text("s3cret-in-here")
    digest = lading.ok("build", "-q", "--secret", f"id=token,src={tmp_path / 'token'}", context)
    done = container.run("sh", "-c", SCRIPT, shared={"/context": context}, TOKEN="s3cret-in-here")
    assert (done.returncode, done.stdout.strip()) == (0, digest), done.stderr
    assert done.stderr.count("under chroot") == 1


@needs("apt-get", "gpgv")
def test_the_example_job_builds_the_guestbook_as_root_does(container: OrdinaryContainer, tmp_path: Path) -> None:
    example = HOUSE / "examples/guestbook"
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    lading.ok("build", "-q", "-f", example / "base.toml", "-t", "localhost/guestbook-base", example)
    digest = lading.ok("build", "-q", example)
    # What the archive said and gave is not asked for again.
    begin = "lading images -q && mkdir -p /var/lib/lading/cache && cp -a /saved/. /var/lib/lading/cache && exec"
    job = HOUSE / "examples/ci/build.sh"
    done = container.run("sh", "-c", f"{begin} {job}", shared={"/saved": lading.root / "cache"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == digest
    assert os.access(job, os.X_OK)


def test_a_build_that_is_killed_in_a_step_leaves_no_secret_and_the_next_one_works(tmp_path: Path) -> None:
    step = "RUN --mount=type=secret,id=token cat /run/secrets/token && echo && sleep 63\n"
    context = busybox(tmp_path / "context", step)
    lading = Lading(tmp_path / "root", {"LADING_ISOLATION": "chroot", "TOKEN": "s3cret-in-here"})
    lading.ok("keygen")
    words = [LADING, "build", "--progress", "plain", "--secret", "id=token,env=TOKEN", str(context)]
    with subprocess.Popen(words, env=lading.variables(), stderr=subprocess.PIPE) as build:
        assert build.stderr
        while b"s3cret" not in build.stderr.readline():
            pass
        build.kill()
    (context / "Dockerfile").write_text((context / "Dockerfile").read_text().replace("sleep 63", "sleep 0"))
    lading.ok("build", "-q", "--secret", "id=token,env=TOKEN", context)
    found = subprocess.run(["grep", "-rl", "s3cret-in-here", lading.root], capture_output=True, check=False)
    assert found.stdout == b""
    assert not list((lading.root / "cache/work").iterdir())
