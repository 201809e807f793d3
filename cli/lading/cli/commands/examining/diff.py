"""`lading diff`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from lading.cli.calls.option_values import OutputForm, access
from lading.cli.cli_session import CliSession
from lading.cli.commands.examining.differences import SHOWN, as_json, lines
from lading.cli.endings import EndedError
from lading.store.errors import UsageError
from lading.store.oci.platforms import parse_platform

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import AuthFile, Creds, TlsVerify


def diff(
    ctx: typer.Context,
    first: Annotated[str, typer.Argument(metavar="A", help="Name, digest or ID of an image, or oci:DIR[:NAME]")],
    second: Annotated[str | None, typer.Argument(metavar="B", help="The image to compare it with")] = None,
    format_: Annotated[OutputForm, typer.Option("--format", help="How to show what differs")] = OutputForm.text,
    limit: Annotated[
        int, typer.Option(metavar="NUMBER", help="Name so many files, and count the rest; 0 names all")
    ] = SHOWN,
    platform: Annotated[str | None, typer.Option(metavar="OS/ARCH[/VARIANT]", help="Not this machine's own")] = None,
    tls_verify: TlsVerify = None,
    authfile: AuthFile = None,
    creds: Creds = None,
) -> None:
    """Show how two images differ: files, config, layers.

    An image that is not here is read at its registry; nothing is unpacked. Exit codes: 0 they are the same, byte for
    byte, 1 they differ.
    """
    from lading.host.examining.image_sources import opened_images  # noqa: PLC0415
    from lading.inventory.trees.comparison import compare_images  # noqa: PLC0415

    session = CliSession.of(ctx)
    if second is None:
        raise UsageError("what a container changed is not shown yet: name two images")
    if limit < 0:
        raise UsageError(f"--limit {limit}: expected a number of files")
    access(session, tls_verify, authfile, creds, first, second)
    wanted = parse_platform(platform) if platform else None
    with opened_images(session.host, (first, second), wanted) as images:
        found = compare_images(*images)
    if format_ is OutputForm.json:
        session.output.result(as_json(images, found, limit))
    else:
        for line in lines(session.output, images, found, limit):
            session.output.result(line)
    if not found.same:
        raise EndedError(1)
