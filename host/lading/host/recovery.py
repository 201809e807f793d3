"""What a killed build left alive is ended by the next command of its root, whatever that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lading.build.operations import root_filesystems
from lading.runtime.lifecycle.lifecycle import Lifecycle, RuntimeConfig

if TYPE_CHECKING:
    from lading.host.configuration import Configuration
    from lading.networking.driver import Driver
    from lading.store.store import Store


def end_dead_builds(configuration: Configuration, store: Store, driver: Driver) -> None:
    """Ends their steps, and removes what these had mounted, joined and changed."""
    config = RuntimeConfig(configuration.root, configuration.run)
    Lifecycle(config, lambda: store, driver).recover_builds()
    root_filesystems.sweep(store)
