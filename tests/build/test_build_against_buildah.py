"""COPY, ADD and config against buildah, which reads the same Dockerfiles."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from lading.store.content.blobs import read_blob
from suites.building import Bench, busybox, listing, write
from suites.machine import needs

pytestmark = needs("root", "overlay", "busybox", "buildah")

COPIES = """\
FROM scratch
COPY file /a/
COPY file /b/renamed
COPY tree /c
COPY tree /d/
COPY tree/ /e/existing/
COPY tree/inner /e/existing/
COPY . /f/
COPY *.txt /g/
COPY tree/* /h/
COPY fil? [a-c].txt /i/
COPY link /j/
COPY linked /k/
COPY ["with space", "/l/"]
COPY tree/inner/../inner/deep /m/
COPY /file /n/
COPY file file2 /o/
COPY --chown=7:8 tree /p/
COPY --chown=9 file /q/
COPY empty /r/
COPY file /s
COPY tree /t/u/v/w
COPY file a/relative
WORKDIR /srv/dir
COPY file .
COPY file ./sub/
COPY tree ../up
WORKDIR below
COPY file ./
ADD file /x/
ADD tree /y/
ADD archive.tar /z/
ADD archive.tar.gz notanarchive.gz /z1/
ADD archive.tar.xz /z2/plain
ADD archive.tar.bz2 /z3/
"""

STAGES = """\
FROM base AS one
RUN mkdir -p /out/sub && echo hi > /out/sub/file && ln /out/sub/file /out/hard && chown -R 1000:1001 /out && \\
    ln -s sub /out/link && ln -s /out/sub/file /out/absolute && chmod 2755 /out/sub && chmod 4711 /out/hard
FROM base AS two
COPY --from=one /out /copied/
COPY --from=0 /out/link /followed/
COPY --from=one /out/absolute /out/hard /files/
COPY --from=one --chown=web:logs /out/sub /owned
RUN ln -s /files /tolink && ln -s ../copied/sub /files/rel
COPY --from=one /out/hard /tolink/through
COPY --from=one /out/hard /files/rel/deep/er
"""


class Buildah:
    """Its own storage, in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *args: str) -> str:
        where = ["--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run", "--storage-driver", "vfs"]
        done = subprocess.run(["buildah", *where, *args], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def build(self, context: Path, name: str) -> tuple[dict[str, tuple[object, ...]], dict[str, Any]]:
        """Files and config of what it builds."""
        self("bud", "--isolation", "chroot", "--format", "docker", "-t", name, str(context))
        container = self("from", name)
        try:
            files = listing(Path(self("mount", container)))
        finally:
            config = json.loads(self("inspect", "--type", "image", name))["Docker"]["config"]
            self("umount", container)
            self("rm", container)
        return files, config


@pytest.fixture
def buildah(tmp_path: Path) -> Buildah:
    return Buildah(tmp_path / "buildah")


def _context(folder: Path) -> Path:
    write(
        folder,
        {
            "file": "file",
            "file2": "file2",
            "a.txt": "a",
            "b.txt": "b",
            "d.txt": "d",
            "with space": "s",
            "empty": None,
            "tree/one": "1",
            "tree/inner/deep/two": "2",
            "tree/inner/three": "3",
            "tree/nothing": None,
            "notanarchive.gz": b"\x1f\x8bnot gzip",
            ".hidden": "h",
        },
    )
    (folder / "link").symlink_to("file")
    (folder / "linked").symlink_to("tree")
    (folder / "tree/inner/abs").symlink_to("/etc/passwd")
    (folder / "tree/rel").symlink_to("../file2")
    os.chmod(folder / "file2", 0o750)
    os.chmod(folder / "tree/inner", 0o711)
    for suffix, mode in (("", "w"), (".gz", "w:gz"), (".xz", "w:xz"), (".bz2", "w:bz2")):
        with tarfile.open(folder / f"archive.tar{suffix}", mode) as archive:  # type: ignore[call-overload]
            archive.add(folder / "tree", "packed", filter=_owned)
    return folder


def _owned(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid, info.gid, info.uname, info.gname = 12, 34, "", ""
    return info


def test_copies(bench: Bench, buildah: Buildah, tmp_path: Path) -> None:
    context = _context(tmp_path / "context")
    (context / "Dockerfile").write_text(COPIES)
    theirs, _ = buildah.build(context, "copies")
    ours = bench.files(bench.build(context).descriptor)
    assert _difference(ours, theirs) == {}


def test_stages(bench: Bench, buildah: Buildah, tmp_path: Path) -> None:
    base = busybox(tmp_path / "base")
    buildah("bud", "--isolation", "chroot", "-t", "localhost/base", str(base))
    bench.build(base, names=("localhost/base:latest",))
    context = write(tmp_path / "context", {"Dockerfile": STAGES})
    theirs, _ = buildah.build(context, "stages")
    ours = bench.files(bench.build(context).descriptor)
    assert _difference(ours, theirs) == {}


_BUILDAH = ("dev", "proc", "sys", "etc", "run")
"""Folders in which buildah leaves stubs of what it mounts for RUN."""


def _difference(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, tuple[object, object]]:
    names = {name for name in set(ours) | set(theirs) if name.split("/")[0] not in _BUILDAH}
    return {name: (ours.get(name), theirs.get(name)) for name in sorted(names) if ours.get(name) != theirs.get(name)}


def test_config(bench: Bench, buildah: Buildah, tmp_path: Path) -> None:
    text = """\
FROM base
ARG X=1
ENV A=$X B="b c" C=d\\ e
LABEL one=1 "two words"="2 \\"q\\""
EXPOSE 80 90/udp
VOLUME /v ["/w"]
USER web
WORKDIR /a/b
WORKDIR c
ENTRYPOINT ["/bin/echo", "x"]
CMD ["y"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=1m --timeout=2s CMD echo $A
"""
    base = busybox(tmp_path / "base")
    buildah("bud", "--isolation", "chroot", "-t", "localhost/base", str(base))
    bench.build(base, names=("localhost/base:latest",))
    context = write(tmp_path / "context", {"Dockerfile": text})
    _, theirs = buildah.build(context, "config")
    image = bench.build(context).descriptor
    ours = json.loads(read_blob(bench.store.blobs, bench.manifest(image).config.digest))["config"]
    for name in ("Entrypoint", "Cmd", "ExposedPorts", "Volumes", "User", "WorkingDir", "StopSignal", "Healthcheck"):
        assert ours[name] == theirs[name], name
    assert sorted(ours["Env"]) == sorted(theirs["Env"])
    assert {k: v for k, v in theirs["Labels"].items() if not k.startswith("io.buildah")} == ours["Labels"]
