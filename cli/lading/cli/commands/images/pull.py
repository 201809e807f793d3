"""`lading pull`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from lading.cli.calls.option_values import access, each
from lading.cli.cli_session import CliSession
from lading.cli.display.output import escape
from lading.cli.display.progress_display import ProgressKind
from lading.cli.endings import ended_by_signals
from lading.store.oci.platforms import parse_platform

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import AuthFile, Creds, ProgressForm, TlsVerify


class EvidenceDemand(StrEnum):
    """What becomes of an image whose evidence cannot be listed."""

    wanted = "wanted"
    required = "required"


def pull(
    ctx: typer.Context,
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="NAME[:TAG|@DIGEST]")],
    platform: Annotated[str | None, typer.Option(metavar="OS/ARCH[/VARIANT]", help="Not this machine's own")] = None,
    evidence: Annotated[
        EvidenceDemand,
        typer.Option(help="required: fail where the registry does not say what is evidence of the image"),
    ] = EvidenceDemand.wanted,
    progress: ProgressForm = ProgressKind.auto,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only the digest")] = False,
    tls_verify: TlsVerify = None,
    authfile: AuthFile = None,
    creds: Creds = None,
) -> None:
    """Download images and their evidence from a registry.

    Nothing is judged here: `run`, `verify` and `build` do that.
    """
    session = CliSession.of(ctx)
    access(session, tls_verify, authfile, creds, *images)
    session.quiet, session.progress = quiet, progress
    wanted = parse_platform(platform) if platform else None

    def one(image: str) -> None:
        pulled = session.host.transfers.pull(image, platform=wanted, required=evidence is EvidenceDemand.required)
        for note in pulled.notes:
            session.output.note(escape(note))
        session.output.result(str(pulled.descriptor.digest))

    with ended_by_signals():
        each(session, images, one)
