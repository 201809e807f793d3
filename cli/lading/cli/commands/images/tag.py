"""`lading tag`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from lading.cli.cli_session import CliSession

if TYPE_CHECKING:
    import typer


def tag(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="IMAGE", help="Name, digest or ID of an image")],
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="What to call it, too")],
) -> None:
    """Give an image another name.

    Where the image came from follows it: it is judged under its origins, too.
    """
    for name in names:
        CliSession.of(ctx).host.images.tag(source, name)
