"""Under what the steps of a build are executed: what was asked for, else the strongest that this process may have."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lading.build.graph.executor import Executor, OutputListener, ProcessSpec
from lading.host.configuration import Isolation
from lading.store.errors import MachineError
from lading.store.snapshots.kind_choice import in_user_namespace, may_mount, only_root

if TYPE_CHECKING:
    from lading.runtime.containers.networks import Drivers

_HINT: Final = "run it as root, be it in an ordinary container; files that only copy are built by anybody"


def strongest() -> str:
    """The strongest isolation that this process may have, "none" where it may have none."""
    if os.geteuid() != 0:
        return "none"
    if not may_mount():
        return "chroot"
    return "rootless" if in_user_namespace() else "oci"


def executor_for(
    wanted: Isolation, root: Path, run_folder: Path, driver: Drivers, warn: Callable[[str], None]
) -> Executor:
    """What executes steps. Raises `MachineError` where `wanted` cannot be had."""
    found = strongest()
    if wanted == "chroot" and found != "none":
        found = "chroot"
    if wanted not in ("auto", found):
        raise MachineError(f"the isolation {wanted} is not to be had here, but {found}", hint=_HINT)
    if found == "none":
        return NoExecutor()
    if found == "chroot":
        from lading.runtime.chroot.chroot_sandbox import ChrootSandbox  # noqa: PLC0415

        return ChrootSandbox(warn)
    from lading.runtime.lifecycle.lifecycle import RuntimeConfig  # noqa: PLC0415
    from lading.runtime.sandbox import Sandbox  # noqa: PLC0415

    if found == "rootless":
        if only_root():
            warn("there are no further users in this user namespace, so no step can give a file away: /etc/subuid")
        # the machine's network is not this user's to change
        return Sandbox(RuntimeConfig(root, run_folder), None, user_namespace=True)
    return Sandbox(RuntimeConfig(root, run_folder), driver)


class NoExecutor:
    """Where nothing can be executed: for files that only copy."""

    isolation = "none"
    privileges: Mapping[str, object] = {}

    def execute(self, rootfs: Path, process: ProcessSpec, output: OutputListener, halt: int | None = None) -> int:
        """Refuses."""
        del rootfs, process, output, halt
        raise MachineError("RUN needs root or user namespaces, and this process has neither", hint=_HINT)
