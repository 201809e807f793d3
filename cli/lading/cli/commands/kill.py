"""`lading kill`."""

from __future__ import annotations

from typing import Annotated

import typer

from lading.cli.common import Containers
from lading.cli.session import Session
from lading.cli.several import side_by_side


def kill(
    ctx: typer.Context,
    containers: Containers,
    signal: Annotated[str, typer.Option("-s", "--signal", metavar="SIGNAL", help="Name or number")] = "KILL",
) -> int:
    """Send a signal to containers."""
    return side_by_side(Session.of(ctx), containers, lambda runtime, name: runtime.kill(name, signal))
