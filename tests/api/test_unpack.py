"""Unpacking by verdict gives the tree that another tool makes of the same layers, removals and all; and an index's."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

from lading.api import Configuration, Lading
from lading.store.fastclass import replace
from lading.store.oci.documents import Index
from lading.store.oci.platforms import host_platform
from lading.store.store import Store
from suites.commands import Lading as Command
from suites.commands import busybox
from suites.images import put_index
from suites.machine import needs

CHANGES = """
RUN mkdir -p /d/e /gone/deep /opaque && echo 1 > /d/e/f && echo 2 > /gone/deep/f && echo 3 > /opaque/old
RUN ln -s d /link
RUN ln /d/e/f /d/hard && chmod 2750 /d && chown 7:8 /d/e
RUN rm -r /gone /opaque && mkdir /opaque && echo 4 > /opaque/new && rm /link && mkdir /link && echo 5 > /link/g
RUN rm /d/e/f && mkdir /d/e/f && touch /d/e/f/inside && rm /bin/ls
"""


def listed(root: Path) -> dict[str, tuple[object, ...]]:
    found = {}
    for path in sorted(root.rglob("*")):
        info = path.lstat()
        content: object = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        if stat.S_ISDIR(info.st_mode):
            content = int(info.st_mtime)
        name = str(path.relative_to(root))
        found[name] = (stat.filemode(info.st_mode), info.st_uid, info.st_gid, info.st_nlink, content)
    return found


@needs("root", "overlay", "umoci", "busybox")
def test_the_tree_is_that_of_other_tools(tmp_path: Path) -> None:
    command = Command(tmp_path / "root")
    command.ok("keygen")
    applets = "".join(f"RUN busybox ln -s busybox /bin/{word}\n" for word in ("mkdir", "ln", "chmod", "chown", "rm"))
    words = busybox(tmp_path / "context", applets + CHANGES)
    command.ok("build", "-q", "--compression", "gzip", "-t", "app", "-o", f"oci:{tmp_path}/layout:app", words)
    with Lading(tmp_path / "root") as lading:
        ours = listed(lading.unpack(lading.verify("app").require(), tmp_path / "ours"))
    theirs = tmp_path / "theirs"
    subprocess.run(["umoci", "raw", "unpack", "--image", f"{tmp_path}/layout:app", theirs], check=True)
    assert "opaque/old" not in ours
    assert ours["d/e/f"][0] == "drwxr-xr-x"
    assert ours == listed(theirs)


@needs("root")
def test_what_is_signed_on_an_index_counts_for_its_images(tmp_path: Path) -> None:
    command = Command(tmp_path / "root")
    command.ok("keygen")
    command.ok("build", "-q", "-t", "one", busybox(tmp_path / "context"))
    with Store.open(tmp_path / "root") as store:
        (image,) = [found.descriptor for found in store.references()]
        index = put_index(store, replace(image, platform=host_platform()))
        store.tag("docker.io/library/many:latest", index)
        assert isinstance(store.document(index), Index)
    command.ok("sign", "many")
    with Lading(Configuration(root=tmp_path / "root", run=tmp_path / "run")) as lading:
        found = lading.verify("many", key=tmp_path / "root/keys/cosign.pub")
        assert found.require().index == index.digest
        assert (lading.unpack(found.require(), tmp_path / "tree") / "bin/busybox").exists()
