"""`lading stop`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from lading.cli.cli_session import CliSession
from lading.cli.commands.several_containers import side_by_side
from lading.store.errors import UsageError

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import ContainersArgument


def stop(
    ctx: typer.Context,
    containers: ContainersArgument,
    time: Annotated[
        float | None,
        typer.Option("-t", "--time", metavar="SECONDS", help="Until it is killed, -1: never [default: 10]"),
    ] = None,
) -> int:
    """Stop containers."""
    if time is not None and not math.isfinite(time):
        raise UsageError(f"--time {time}: expected a number")
    return side_by_side(CliSession.of(ctx), containers, lambda runtime, name: runtime.stop(name, time))
