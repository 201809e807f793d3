"""`lading kill`."""

from __future__ import annotations

from typing import Annotated

import typer

from lading.cli.common import Containers
from lading.cli.session import Session


def kill(
    ctx: typer.Context,
    containers: Containers,
    signal: Annotated[str, typer.Option("-s", "--signal", help="Name or number")] = "KILL",
) -> None:
    """Send a signal to containers."""
    for container in containers:
        Session.of(ctx).host.runtime.kill(container, signal)
        Session.of(ctx).output.result(container)
