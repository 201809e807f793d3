"""Small Dockerfiles (`tests/build/corpus/cases.txt`), the context that all have, and what is compared.

A section begins with `=== NAME`; lines `--- arg A=B` and `--- target X` are of the call. `FROM base` is busybox.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lading.store.content.blobs import read_blob
from lading.store.oci.descriptors import Descriptor
from suites.building import Bench, busybox, write

FOLDER = Path(__file__).resolve().parents[1] / "build/corpus"
HEAD = """\
FROM scratch AS base
COPY root /
ENV PATH=/bin
RUN ["/bin/busybox", "--install", "-s", "/bin"]
"""
_FILES: dict[str, str | bytes | None] = {
    "root/etc/passwd": "root:x:0:0::/root:/bin/sh\nweb:x:1000:1001::/home/web:/bin/sh\n",
    "root/etc/group": "root:x:0:\nweb:x:1001:\nlogs:x:2000:web\n",
    "root/etc/hosts": "",
    "root/etc/resolv.conf": "",
    "root/home": None,
    "root/run": None,
    ".dockerignore": "ignored\n*.log\n!keep.log\n",
    "ignored": "no\n",
    "x.log": "no\n",
    "keep.log": "yes\n",
    "a.txt": "a\n",
    "b.txt": "bb\n",
    "c.md": "c\n",
    "sp ace.txt": "blank\n",
    "[x].txt": "brackets\n",
    "$dollar": "dollar\n",
    "\u00fc.txt": "letters\n",
    "-dash": "dash\n",
    "dir/one.txt": "1\n",
    "dir/two.md": "2\n",
    "dir/.hidden": "h\n",
    "dir/sub/three.txt": "3\n",
    "dir/sub/four.md": "4\n",
    "setuid": "s\n",
    "grp": "g\n",
    "sticky/f": "f\n",
    "links/f": "f\n",
    "notar.gz": gzip.compress(b"no archive\n", mtime=0),
}
_MODES = {"setuid": 0o4755, "grp": 0o640, "sticky": 0o1777, "dir/sub": 0o711, "root/tmp": 0o1777}
_LINKS = {"link": "a.txt", "dirlink": "dir", "broken": "nowhere", "links/l": "f", "links/up": "../a.txt"}


@dataclass(frozen=True, slots=True)
class CorpusCase:
    """A Dockerfile and how it is built."""

    name: str
    text: str
    arguments: dict[str, str] = field(default_factory=dict)
    target: str | None = None


def _case(section: str) -> CorpusCase:
    name, _, rest = section.partition("\n")
    lines = rest.splitlines(keepends=True)
    said = [line.split(None, 2)[1:] for line in lines if line.startswith("--- ")]
    text = "".join(line for line in lines if not line.startswith("--- "))
    if "@BASE\n" in text:
        text = text.replace("@BASE\n", HEAD)
    elif "FROM base" in text:
        text = HEAD + text
    arguments = dict(value.strip().split("=", 1) for what, value in said if what == "arg")
    return CorpusCase(name, text, arguments, next((value.strip() for what, value in said if what == "target"), None))


CORPUS = tuple(map(_case, (FOLDER / "cases.txt").read_text().removeprefix("=== ").split("\n=== ")))


def _archive() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, kind, target in (
            ("d", tarfile.DIRTYPE, ""),
            ("d/f", tarfile.REGTYPE, ""),
            ("h", tarfile.LNKTYPE, "d/f"),
            ("s.x", tarfile.SYMTYPE, "d"),
            ("p", tarfile.FIFOTYPE, ""),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.uid, member.gid, member.mode = kind, target, 5, 6, 0o750
            archive.addfile(member)
    return data.getvalue()


def corpus_context(folder: Path) -> Path:
    """The context."""
    busybox(
        write(folder, {**_FILES, "empty": None, "t.tar": _archive(), "t.tar.gz": gzip.compress(_archive(), mtime=0)})
    )
    write(folder, {name: _FILES[name] for name in ("root/etc/passwd", "root/etc/group")})
    (folder / "Dockerfile").unlink()
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            usual = 0o755 if path.is_dir() or path.name == "busybox" else 0o644
            path.chmod(_MODES.get(str(path.relative_to(folder)), usual))
    for name, target in _LINKS.items():
        os.symlink(target, folder / name)
    return folder


def told_of(document: dict[str, Any]) -> dict[str, object]:
    """What is compared of a config: all but times, and what `docs/dockerfile.md` says of history and layers."""
    run = {name: value for name, value in document.get("config", {}).items() if value and name != "ArgsEscaped"}
    lines = [entry["created_by"].removesuffix(" # buildkit") for entry in document.get("history") or []]
    more = {name: document[name] for name in ("author", "architecture", "os", "variant") if document.get(name)}
    return {"config": run, "history": lines, **more}


def corpus_config(bench: Bench, image: Descriptor) -> dict[str, Any]:
    """The config of an image, as it is stored."""
    document: dict[str, Any] = json.loads(read_blob(bench.store.blobs, bench.manifest(image).config.digest))
    return document


DIFFERENCES: dict[str, str] = {
    "workdir: dots": "WORKDIR is recorded in its shortest form",
    "more: workdir absolute as written": "WORKDIR is recorded in its shortest form",
    "more: workdir slash at the end": "WORKDIR is recorded in its shortest form",
    "copy: chown unknown": "an unknown owner is refused, the reference takes root",
    "copy: exclude": "a link to nothing is copied, the reference does not find it",
    "more: exclude beside a broken link": "a link to nothing is copied, the reference does not find it",
}
"""Cases that are known to differ, and why (`docs/dockerfile.md`)."""
