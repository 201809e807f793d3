"""The small program that `run --init` makes a container's first process: it passes signals on and takes in orphans."""

from __future__ import annotations

import os
from typing import Final

from lading.runtime.spec.spec import Mount, bind
from lading.store.errors import MachineError

# Only those that are linked statically: they find no library in an image. /dev is a container's own file system in
# memory, so nothing of this shows among its changes.
_KNOWN: Final = (
    "/usr/bin/catatonit",
    "/usr/libexec/podman/catatonit",
    "/usr/libexec/catatonit/catatonit",
    "/usr/bin/tini-static",
    "/usr/bin/docker-init",
)
_INSIDE: Final = "/dev/init"
WORDS: Final = (_INSIDE, "--")
"""What stands before the command."""


def init_mount() -> Mount:
    """The program's mount. Raises `MachineError` where none is installed."""
    found = next((path for path in _KNOWN if os.access(path, os.X_OK)), None)
    if found is None:
        raise MachineError("init: no init program is installed", hint="apt-get install catatonit", option="init")
    return bind(found, _INSIDE, readonly=True)
