"""`lading kill`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from lading.cli.cli_session import CliSession
from lading.cli.commands.several_containers import side_by_side

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import ContainersArgument


def kill(
    ctx: typer.Context,
    containers: ContainersArgument,
    signal: Annotated[str, typer.Option("-s", "--signal", metavar="SIGNAL", help="Name or number")] = "KILL",
) -> int:
    """Send a signal to containers."""
    return side_by_side(CliSession.of(ctx), containers, lambda runtime, name: runtime.kill(name, signal))
