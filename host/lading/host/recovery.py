"""What a killed build left alive is ended by the next command of its root, whatever that is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lading.build.operations import root_filesystems
from lading.runtime.lifecycle import sandboxes
from lading.runtime.lifecycle.lifecycle import Lifecycle, RuntimeConfig
from lading.store.snapshots.kind_choice import in_user_namespace

if TYPE_CHECKING:
    from pathlib import Path

    from lading.runtime.containers.networks import Drivers
    from lading.store.store import Store


def end_dead_builds(store: Store, run_folder: Path, driver: Drivers) -> None:
    """Ends their steps, and removes what these had mounted, joined and changed."""
    if sandboxes.names(run_folder):  # a build without any needs no OCI runtime, and so does what it left
        networks = None if os.geteuid() != 0 or in_user_namespace() else driver  # which only root has
        Lifecycle(RuntimeConfig(store.root, run_folder), lambda: store, networks).recover_builds()
    root_filesystems.sweep(store)
