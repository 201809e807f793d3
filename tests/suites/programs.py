"""Random programs of file-system changes, four RUNs each, and what their trees are, line by line.

All of them begin with the same root file system. Names are few, so that changes meet; some are odd; a folder may be a
link by then, a file a folder, and the other way round. What fails, fails in every engine alike.
"""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

from lading.registry.client.client import Client
from lading.registry.reference import Reference
from lading.registry.transfer.pull import pull
from lading.registry.transfer.push import push
from lading.store.archives.trees import Entry, scan, text
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import Manifest
from lading.store.snapshots.unpack_layers import unpack
from lading.store.store import Store
from suites.building import PLATFORM, Bench
from suites.changes import shown

RUNS = 4
_FOLDERS = ("/srv", "/srv/a", "/srv/a/b", "/srv/l", "/etc/app", "/etc/app/a", "/tmp", "/tmp/t", "/opt/a", "/opt/a/b")
_USUAL = ("a", "b", "t", "a/b", "b/a")
_ODD = ("'d e'", "'*'", "-x", "'x\ny'", "\u00fc", "\"$(printf 'n\\377')\"", "l" * 101, "a/a/a")
_TARGETS = ("/tmp", "/srv/a", "a", "../a", "/etc/app", "/nowhere", ".", "b/../a", "/tmp/t/a")
_MODES = ("644", "600", "755", "700", "1777", "4755", "2770", "000", "u+s", "g-w")
_OWNERS = ("0:0", "5:6", "1000:1000", "7", ":8", "3000000:3000000")
_PUT = """put() { [ -p "$2" ] || echo $1 > "$2"; }; add() { [ -p "$2" ] || echo $1 >> "$2"; }"""
"""Nobody reads from a pipe, so nobody writes to one; devices are /dev/null and such that no driver has."""
_OUTSIDE = ("bin", "dev", "proc", "sys")
"""What is not compared: this machine's busybox, and what engines mount."""
BASE = """\
FROM scratch
COPY root /
ENV PATH=/bin
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN mkdir -m 1777 /tmp
"""


def program(seed: int) -> tuple[str, ...]:
    """The scripts of four RUNs; the first has something to begin with."""
    chance = random.Random(seed)
    first = (
        "mkdir -p /etc/app/a /tmp/t/a /opt/a/b; echo 1 > /etc/app/a/b; echo 2 > /opt/a/b/a; ln /opt/a/b/a /tmp/t/b\n"
    )
    return (first + _script(chance), *(_script(chance) for _ in range(RUNS - 1)))


def _script(chance: random.Random) -> str:
    commands = [_command(chance) for _ in range(chance.randint(6, 14))]
    return "\n".join([_PUT, *commands, "true"])


def _command(chance: random.Random) -> str:
    def path() -> str:
        if chance.random() < 0.2:
            return chance.choice(_FOLDERS[1:5] + _FOLDERS[7:])
        return f"{chance.choice(_FOLDERS)}/{chance.choice(_USUAL if chance.random() < 0.8 else _ODD)}"

    def number() -> int:
        return chance.randint(1, 3)

    one, two, target = path(), path(), chance.choice(_TARGETS)
    mode, owner = chance.choice(_MODES), chance.choice(_OWNERS)
    many = f"mkdir -p {one} && put {number()} {one}/a && put {number()} {one}/b && mkdir -p {one}/c"
    return chance.choice(
        (
            f"mkdir -p {one}",
            many,
            f"rm -rf {one} && {many}",
            f"rm -rf {one} && mkdir {one}",
            f"mkdir -p $(dirname {one}) && put {number()} {one}",
            f"put {number()} {one}",
            f"add {number()} {one}",
            f"put {number()} {one}/a",
            f"rm -rf {one}",
            f"rm -f {one}",
            f"rmdir {one}",
            f"rm -rf {one}/*",
            f"mv {one} {two}",
            f"mv -f {one} {two}",
            f"mv {one} /opt/away && mv /opt/away {one}",
            f"ln {one} {two}",
            f"ln -f {one} {two}",
            f"ln -s {target} {one}",
            f"rm -rf {one} && ln -s {target} {one}",
            f"[ -L {one} ] && rm {one} && mkdir {one} && put {number()} {one}/a",
            f"[ -d {one} ] || cp -a {one} {two}",
            f"rm -rf {one} && put {number()} {one}",
            f"chmod {mode} {one}",
            f"chmod -R {mode} {one}",
            f"chown {owner} {one}",
            f"chown -h {owner} {one}",
            f"mkfifo {one}",
            f"mknod {one} c 1 3",
            f"mknod {one} c 240 {number()}",
            f"mknod {one} b 240 {number()}",
            f"mknod {one} c 0 0",
            f"[ -p {one} ] || truncate -s {chance.choice((0, 5, 100000))} {one}",
            f"touch -d '2001-02-03 04:05:06' {one}",
            f"touch {one}",
            f"[ -f {one} ] && cat {one} > /opt/copy && cat /opt/copy > {one}",
        )
    )


def context(folder: Path, runs: tuple[str, ...]) -> Path:
    """A context whose Dockerfile is a program."""
    for name in ("root/bin", "root/etc", "root/srv/a/b", "root/opt"):
        (folder / name).mkdir(parents=True)
    program = shutil.which("busybox")
    assert program
    shutil.copy(program, folder / "root/bin/busybox")
    (folder / "root/bin/sh").symlink_to("busybox")
    for name, content in {"etc/passwd": "root:x:0:0::/:/bin/sh\n", "srv/a/a": "1\n", "srv/a/b/a": "2\n"}.items():
        (folder / "root" / name).write_text(content)
    (folder / "root/srv/l").symlink_to("/srv/a")
    words = [json.dumps(["/bin/sh", "-c", run], ensure_ascii=False) for run in runs]
    (folder / "Dockerfile").write_text(BASE + "".join(f"RUN {word}\n" for word in words))
    return folder


def lines(root: Path) -> list[str]:
    """What is in a root file system, a line for every entry; times are not looked at.

    Several names of one pipe, device or symlink are as many entries: BuildKit exports links of files alone.
    """
    found = scan(root)
    found.listing()
    apart = {entry.path: entry for entry in found.entries if entry.kind not in ("file", "hardlink")}
    entries = [replace(_whole(entry, apart), path=entry.path) for entry in found.entries]
    return [_line(entry) for entry in entries if entry.path.split(b"/")[0].decode() not in _OUTSIDE]


def _whole(entry: Entry, apart: dict[bytes, Entry]) -> Entry:
    return apart.get(entry.target, entry) if entry.kind == "hardlink" else entry


def _line(entry: Entry) -> str:
    words = [entry.kind, text(entry.path).replace("\n", "%0A")]
    if entry.kind != "hardlink":
        words += [f"{entry.mode:o}", f"{entry.uid}:{entry.gid}"]
    if entry.kind == "file":
        words += [str(entry.size), entry.sha256[:12]]
    words += [text(entry.target)] * bool(entry.target)
    words += [f"{entry.device[0]}:{entry.device[1]}"] * (entry.kind in ("character", "block"))
    return " ".join([*words, *(f"{key}={value.hex()}" for key, value in entry.xattrs)])


def tree(store: Store, image: Descriptor) -> list[str]:
    """The lines of an image, as a store unpacks and shows it."""
    manifest = store.document(image)
    assert isinstance(manifest, Manifest)
    top = unpack(store.snapshots, store.blobs, manifest, store.config(manifest))
    assert top is not None
    with shown(store, top) as view:
        return lines(view)


def pulled(bench: Bench, image: Descriptor, reference: Reference, root: Path) -> list[str]:
    """The tree on a fresh root, through the registry."""
    with Client() as client, Store.open(root) as other:
        push(client, reference, bench.store, image)
        return tree(other, pull(client, reference, other, platform=PLATFORM).descriptor)
