"""`lading wait`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lading.cli.commands.several import side_by_side
from lading.cli.session import CliSession

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.options import Containers


def wait(ctx: typer.Context, containers: Containers) -> int:
    """Wait until containers stop, and print their exit codes."""
    return side_by_side(CliSession.of(ctx), containers, lambda runtime, name: runtime.wait(name))
