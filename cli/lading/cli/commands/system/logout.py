"""`lading logout`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from lading.cli.cli_session import CliSession
from lading.store.errors import InputError

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import AuthFile


def logout(
    ctx: typer.Context,
    registry: Annotated[str, typer.Argument(metavar="[REGISTRY]")] = "docker.io",
    authfile: AuthFile = None,
) -> None:
    """Log out of a registry."""
    from lading.host.registries import log_out  # noqa: PLC0415

    session = CliSession.of(ctx)
    session.authfile = authfile
    if not log_out(session.host.configuration, registry):
        raise InputError(f"not logged in to {registry}")
    session.output.result(f"Removed the credentials for {registry}")
