"""The monitor of a container that is launched: what it logs, keeps open and does at the end."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from lading.runtime.containers.container import Container
from lading.runtime.lifecycle.lifecycle import OWNER, Lifecycle
from lading.runtime.oci.conmon import Conmon, Log, Monitored
from lading.runtime.oci.processes import find
from lading.runtime.options import RunOptions

FLOCK: Final = "/usr/bin/flock"


def start_monitor(
    life: Lifecycle, record: Container, options: RunOptions, program: str, meanwhile: Callable[[], None]
) -> Monitored:
    """Creates the container of a bundle under a new monitor. Raises as `Conmon.start`."""
    conmon = Conmon(
        path=find("conmon"),
        runtime=life.oci,
        container=record.id,
        name=record.name,
        bundle=life.records.run(record.id),
        sockets=life.config.run_dir,
        log=Log(life.records.folder(record.id), "log", options.log_limit),
        exit_command=_exit_command(life, record.id),
        cgroups=life.cgroups,
    )
    return conmon.start(
        stdin=options.interactive,
        tty=options.tty,
        keep_stdin=options.tty or options.detach,
        durable=not options.remove,
        program=program,
        meanwhile=meanwhile,
    )


def _exit_command(life: Lifecycle, container: str) -> tuple[str, ...]:
    """What the monitor runs at the end: our clean-up, unless a `run` in the foreground does it itself.

    That one holds a lock on the file ``owner`` for as long as it lives, so this waits for it, and then starts
    Python only if something is left to do.
    """
    config, bundle = life.config, life.records.run(container)
    clean = (
        config.python,
        "-I",
        "-m",
        "lading.runtime.lifecycle.exit_command",
        str(config.root),
        str(config.run_dir),
        container,
    )
    if not os.access(FLOCK, os.X_OK):
        return clean
    script = 'if [ -e "$0" ]; then exec "$@"; fi'
    return (FLOCK, str(bundle / OWNER), "/bin/sh", "-c", script, str(bundle / "config.json"), *clean)
