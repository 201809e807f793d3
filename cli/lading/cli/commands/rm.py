"""`lading rm`."""

from __future__ import annotations

from typing import Annotated

import typer

from lading.cli.common import Containers
from lading.cli.session import Session


def rm(
    ctx: typer.Context,
    containers: Containers,
    force: Annotated[bool, typer.Option("-f", "--force", help="Kill those that run")] = False,
    volumes: Annotated[bool, typer.Option("-v", "--volumes", help="With their anonymous volumes")] = False,
) -> None:
    """Remove containers."""
    for container in containers:
        Session.of(ctx).host.runtime.remove(container, force=force, volumes=volumes)
        Session.of(ctx).output.result(container)
