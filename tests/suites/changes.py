"""What a RUN left, as the kernel shows it, and what others get who unpack the image."""

from __future__ import annotations

import io
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lading.build.graph import executor
from lading.store.archives.compression import decoder
from lading.store.archives.trees import capture
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import chain_ids
from lading.store.snapshots.mounts import unmount
from lading.store.snapshots.unpack_layers import unpack
from lading.store.store import Store
from suites.building import Bench, ChrootExecutor, write
from suites.trees import seen

View = dict[bytes, tuple[object, ...]]


class WatchingExecutor(ChrootExecutor):
    """Looks at the mounted root file system after every RUN."""

    def __init__(self) -> None:
        super().__init__()
        self.views: list[View] = []

    def execute(
        self, rootfs: Path, step: executor.ProcessSpec, output: executor.OutputListener, halt: int | None = None
    ) -> int:
        code = super().execute(rootfs, step, output, halt)
        self.views.append(seen(rootfs))
        return code


def shell(folder: Path) -> Path:
    """A context that makes a base image with all of this machine's busybox, `/etc`, `/tmp` and some links."""
    program = shutil.which("busybox")
    assert program
    text = """\
FROM scratch
COPY root /
COPY --chmod=1777 tmp /tmp
ENV PATH=/bin
RUN ["/bin/busybox", "--install", "-s", "/bin"]
"""
    write(folder, {"Dockerfile": text, "root/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "tmp": None})
    write(folder, {"root/etc/group": "root:x:0:\n", "root/root": None, "root/srv/a/b/file": "text\n"})
    (folder / "root/bin").mkdir()
    shutil.copy(program, folder / "root/bin/busybox")
    (folder / "root/bin/sh").symlink_to("busybox")
    return folder


def elsewhere(bench: Bench, image: Descriptor, root: Path) -> View:
    """The root file system of an image as a fresh root at `root` unpacks and shows it.

    What the builder kept of its layers is held to what was unpacked of them, times included.
    """
    manifest = bench.manifest(image)
    config = bench.store.config(manifest)
    with Store.open(root) as other:
        top = unpack(other.snapshots, bench.store.blobs, manifest, config)
        assert top is not None
        for chain in chain_ids(config.diff_ids):
            assert own(bench.store, str(chain)) == own(other, str(chain))
        with shown(other, top) as view:
            return seen(view)


def own(store: Store, snapshot: str) -> tuple[object, ...]:
    """What the folder of one snapshot holds, in overlayfs's own form."""
    upper = store.snapshots.changes(snapshot)
    info = upper.stat()
    root = (info.st_mode, info.st_uid, info.st_gid, info.st_mtime_ns)
    tree = capture(upper)
    removed = {entry.path for entry in tree.entries if entry.kind == "whiteout"}
    return root, tree.listing(), {path: what for path, what in seen(upper, times=True).items() if path not in removed}


def here(bench: Bench, image: Descriptor) -> View:
    """The same as it is shown where it was built."""
    config = bench.store.config(bench.manifest(image))
    with shown(bench.store, str(chain_ids(config.diff_ids)[-1])) as view:
        return seen(view)


def members(bench: Bench, layer: Descriptor) -> list[str]:
    """The names in a layer's archive."""
    with bench.store.blobs.open(layer.digest) as blob:
        source = decoder(blob, layer.media_type, "a layer")
        data = b"".join(iter(lambda: source.read(1 << 20), b""))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return archive.getnames()


@contextmanager
def shown(store: Store, snapshot: str) -> Iterator[Path]:
    """A snapshot with all below it, mounted."""
    with tempfile.TemporaryDirectory() as target:
        store.snapshots.mount(snapshot, Path(target), readonly=True)
        try:
            yield Path(target)
        finally:
            unmount(Path(target))
