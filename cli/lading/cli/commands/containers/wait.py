"""`lading wait`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lading.cli.cli_session import CliSession
from lading.cli.commands.several_containers import side_by_side

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import ContainersArgument


def wait(ctx: typer.Context, containers: ContainersArgument) -> int:
    """Wait until containers stop, and print their exit codes."""
    return side_by_side(CliSession.of(ctx), containers, lambda runtime, name: runtime.wait(name))
