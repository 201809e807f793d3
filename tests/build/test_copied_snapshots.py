"""A build takes whatever kind of snapshots its store has: what it makes does not depend on that."""

from __future__ import annotations

from pathlib import Path

from lading.store.snapshots.copies import CopySnapshotter
from lading.store.snapshots.snapshots import Snapshots
from suites.building import Bench, busybox, write
from suites.machine import needs

pytestmark = needs("root", "overlay", "busybox")

TEXT = """\
FROM base
RUN mkdir /d && echo 1 > /d/one && echo 2 > /d/two && ln /d/one /d/same && touch /bin/sh
RUN rm /d/two && echo 3 > /d/three && chmod 0700 /d
RUN true
COPY file /d/
FROM base
COPY --from=0 /d /copied
"""


def test_the_same_layers_are_built_on_copies(tmp_path: Path) -> None:
    context = write(tmp_path / "context", {"Dockerfile": TEXT, "file": "text"})
    made = []
    for name in ("overlay", "copy"):
        bench = Bench(tmp_path / name)
        if name == "copy":
            bench.store.snapshots = Snapshots(bench.store.root, bench.store.index, CopySnapshotter())
        bench.build(busybox(tmp_path / f"base {name}"), names=("localhost/base:latest",))
        image = bench.build(context).descriptor
        made.append((image, bench.files(image)))
        bench.close()
    assert made[0] == made[1]
