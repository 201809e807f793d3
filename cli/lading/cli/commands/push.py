"""`lading push`."""

from __future__ import annotations

from typing import Annotated

import typer

from lading.cli.common import Quiet, TlsVerify, boolean
from lading.cli.output import escape
from lading.cli.session import Session


def push(
    ctx: typer.Context,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="Name, digest or ID of an image")],
    destination: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Where to, unless under its own name")
    ] = None,
    quiet: Quiet = False,
    tls_verify: TlsVerify = None,
) -> None:
    """Upload an image and its evidence to a registry.

    Signatures and attestations go along; nothing is signed here.
    """
    session = Session.of(ctx)
    session.tls_verify = boolean(tls_verify, "--tls-verify")
    session.quiet = quiet
    pushed = session.host.push(image, destination)
    if not quiet:
        session.output.note(f"{image}: {len(pushed.evidence)} signatures and attestations")
    for note in pushed.notes:
        session.output.note(escape(note))
    session.output.result(str(pushed.descriptor.digest))
