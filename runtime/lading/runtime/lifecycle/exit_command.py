"""``python -m lading.runtime.lifecycle.exit_command ROOT RUN_DIR ID``: what a monitor runs when its container ended."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lading.runtime.containers.run_folder import RunFolder
from lading.runtime.lifecycle.lifecycle import Lifecycle, RuntimeConfig

if TYPE_CHECKING:
    from lading.networking.driver import Driver
    from lading.store.store import Store


def clean(root: Path, run_dir: Path, container: str) -> None:
    """Finishes one container, if nobody did yet. Where the root is gone, there is nothing to finish it in."""
    with suppress(FileNotFoundError):
        folder = RunFolder(root, run_dir)
        try:
            _clean(root, run_dir, container)
        finally:
            folder.close()


def _clean(root: Path, run_dir: Path, container: str) -> None:
    config = RuntimeConfig(root, run_dir)

    def store() -> Store:
        from lading.store.store import Store  # noqa: PLC0415 - a container that stays needs none

        return Store.open(root)

    def driver() -> Driver:
        from lading.runtime.containers.networks import default_driver  # noqa: PLC0415 - for one that has a network

        return default_driver(run_dir)

    life = Lifecycle(config, store, driver)
    record = life.records.read(container)
    if record and record.active:
        life.settle(record)


if __name__ == "__main__":
    clean(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
