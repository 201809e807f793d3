"""`lading wait`."""

from __future__ import annotations

import typer

from lading.cli.common import Containers
from lading.cli.session import Session


def wait(ctx: typer.Context, containers: Containers) -> None:
    """Wait until containers stop, and print their exit codes."""
    for container in containers:
        Session.of(ctx).output.result(str(Session.of(ctx).host.runtime.wait(container)))
