"""`lading kill`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from lading.cli.commands.several import side_by_side
from lading.cli.session import CliSession

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.options import Containers


def kill(
    ctx: typer.Context,
    containers: Containers,
    signal: Annotated[str, typer.Option("-s", "--signal", metavar="SIGNAL", help="Name or number")] = "KILL",
) -> int:
    """Send a signal to containers."""
    return side_by_side(CliSession.of(ctx), containers, lambda runtime, name: runtime.kill(name, signal))
