"""What containers/storage makes of an image: podman pulls it from a layout and shows its root file system."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ContainersStorage:
    """A storage of its own, with overlay, as podman has it by default."""

    def __init__(self, folder: Path) -> None:
        self._words = [
            "podman",
            "--root",
            str(folder / "s"),
            "--runroot",
            str(folder / "r"),
            "--storage-driver",
            "overlay",
        ]

    def podman(self, *words: str) -> str:
        """What podman answers. Raises `AssertionError`, with its words, where it refuses."""
        done = subprocess.run([*self._words, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @contextmanager
    def shown(self, source: str, *options: str) -> Iterator[Path]:
        """The root file system of an image, ``oci:FOLDER:TAG`` or a name in a registry, unpacked there."""
        image = self.podman("pull", "-q", *options, source).split()[-1]
        place = self.podman("image", "mount", image)
        try:
            yield Path(place)
        finally:
            self.podman("image", "umount", "-f", image)


@contextmanager
def containers_storage() -> Iterator[ContainersStorage]:
    """One that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="lad", dir="/tmp"))  # podman's runroot has at most 50 characters
    storage = ContainersStorage(folder)
    try:
        yield storage
    finally:
        storage.podman("rmi", "-af")
        subprocess.run(["umount", "-l", str(folder / "s" / "overlay")], check=False, capture_output=True)
        subprocess.run(["rm", "-rf", os.fspath(folder)], check=True)
