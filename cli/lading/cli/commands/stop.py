"""`lading stop`."""

from __future__ import annotations

from typing import Annotated

import typer

from lading.cli.common import Containers
from lading.cli.session import Session


def stop(
    ctx: typer.Context,
    containers: Containers,
    time: Annotated[float | None, typer.Option("-t", "--time", help="Seconds before it is killed, -1: never")] = None,
) -> None:
    """Stop containers."""
    for container in containers:
        Session.of(ctx).host.runtime.stop(container, time)
        Session.of(ctx).output.result(container)
