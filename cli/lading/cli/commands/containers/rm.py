"""`lading rm`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from lading.cli.cli_session import CliSession
from lading.cli.commands.several_containers import side_by_side

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import ContainersArgument


def rm(
    ctx: typer.Context,
    containers: ContainersArgument,
    force: Annotated[bool, typer.Option("-f", "--force", help="Kill those that run")] = False,
    volumes: Annotated[bool, typer.Option("-v", "--volumes", help="With their anonymous volumes")] = False,
) -> int:
    """Remove containers."""
    session = CliSession.of(ctx)
    return side_by_side(
        session,
        containers,
        lambda runtime, name: runtime.remove(name, force=force, volumes=volumes),
        absent_is_fine=force,
    )
