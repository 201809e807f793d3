"""`lading push`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from lading.cli.calls.option_values import access, another, compression
from lading.cli.cli_session import CliSession
from lading.cli.display.output import escape
from lading.cli.display.progress_display import ProgressKind
from lading.cli.endings import ended_by_signals

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import AuthFile, Compress, Creds, ProgressForm, TlsVerify


def push(
    ctx: typer.Context,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="Name, digest or ID of an image")],
    destination: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Where to, unless under its own name")
    ] = None,
    compress: Compress = None,
    progress: ProgressForm = ProgressKind.auto,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only the digest")] = False,
    tls_verify: TlsVerify = None,
    authfile: AuthFile = None,
    creds: Creds = None,
) -> None:
    """Upload an image and its evidence to a registry.

    Signatures and attestations go along; nothing is signed here.
    """
    session = CliSession.of(ctx)
    access(session, tls_verify, authfile, creds, destination or image)
    session.quiet, session.progress = quiet, progress
    wanted = compression(compress)
    here = session.host.images.get(image).descriptor if wanted else None
    with ended_by_signals():
        pushed = session.host.transfers.push(image, destination, compression=wanted)
    if here and here.digest != pushed.descriptor.digest:
        session.output.note(another(here, pushed.descriptor, str(wanted)))
    for note in pushed.notes:
        session.output.note(escape(note))
    session.output.result(str(pushed.descriptor.digest))
