"""What a killed build left alive is ended by the next command of its root, whatever that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lading.build.operations import root_filesystems
from lading.runtime.lifecycle.lifecycle import Lifecycle, RuntimeConfig

if TYPE_CHECKING:
    from pathlib import Path

    from lading.runtime.containers.networks import Drivers
    from lading.store.store import Store


def end_dead_builds(store: Store, run_folder: Path, driver: Drivers) -> None:
    """Ends their steps, and removes what these had mounted, joined and changed."""
    Lifecycle(RuntimeConfig(store.root, run_folder), lambda: store, driver).recover_builds()
    root_filesystems.sweep(store)
