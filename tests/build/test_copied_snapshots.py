"""A build takes whatever kind of snapshots its store has: what it makes does not depend on that."""

from __future__ import annotations

from pathlib import Path

from lading.runtime.chroot.chroot_sandbox import ChrootSandbox
from lading.runtime.lifecycle.lifecycle import RuntimeConfig
from lading.runtime.sandbox import Sandbox
from lading.store.fastclass import replace
from lading.store.snapshots.copies import CopySnapshotter
from lading.store.snapshots.overlay import OverlaySnapshotter
from lading.store.snapshots.snapshots import Snapshots
from suites.building import Bench, busybox, write
from suites.machine import needs

pytestmark = needs("root", "overlay", "busybox", "crun")

TEXT = """\
FROM base
RUN rm -rf /etc/hosts /etc/resolv.conf || true
RUN mkdir /d && echo 1 > /d/one && echo 2 > /d/two && ln /d/one /d/same && touch /bin/sh
RUN rm /d/two && echo 3 > /d/three && chmod 0700 /d
RUN true
RUN rm -r /tmp && mkdir -p /tmp/new && rm -r /work && mkdir /work && chown 5:6 /d/one
RUN --mount=type=cache,target=/c echo 1 > /c/1 && echo > o
RUN --mount=type=bind,target=/b --mount=type=tmpfs,target=/t cp /b/file f && touch /t/x
COPY file /d/
FROM base
COPY --from=0 /d /copied
"""


OVERLAY, COPY, FOLDERS = OverlaySnapshotter(), CopySnapshotter(), CopySnapshotter(mounts=False)


def test_the_same_layers_are_built_on_copies_and_in_a_changed_root(tmp_path: Path) -> None:
    context = write(tmp_path / "context", {"Dockerfile": TEXT, "file": "text"})
    (tmp_path / "run").mkdir()
    made = []
    for number, kind in enumerate((OVERLAY, COPY, FOLDERS, OVERLAY)):
        bench = Bench(tmp_path / str(number))
        bench.store.snapshots = Snapshots(bench.store.root, bench.store.index, kind)
        sandbox = Sandbox(RuntimeConfig(bench.store.root, tmp_path / "run"), None)
        bench.environment = replace(bench.environment, executor=sandbox if number < 2 else ChrootSandbox())
        bench.build(busybox(tmp_path / f"base {number}"), names=("localhost/base:latest",))
        image = bench.build(context).descriptor
        made.append((image, bench.files(image) if kind is not FOLDERS else made[0][1]))
        bench.close()
    assert all(one == made[0] for one in made)
