"""`lading pull`."""

from __future__ import annotations

from typing import Annotated

import typer

from lading.cli.common import ProgressForm, Quiet, TlsVerify, boolean
from lading.cli.endings import ended_by_signals
from lading.cli.output import escape
from lading.cli.progress import Form
from lading.cli.session import Session
from lading.registry.platforms import parse_platform


def pull(
    ctx: typer.Context,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="NAME[:TAG|@DIGEST]")],
    platform: Annotated[str | None, typer.Option(metavar="OS/ARCH[/VARIANT]", help="Not this machine's own")] = None,
    progress: ProgressForm = Form.auto,
    quiet: Quiet = False,
    tls_verify: TlsVerify = None,
) -> None:
    """Download an image and its evidence from a registry.

    Nothing is judged here: `run`, `verify` and `build` do that.
    """
    session = Session.of(ctx)
    session.tls_verify = boolean(tls_verify, "--tls-verify")
    session.quiet, session.progress = quiet, progress
    with ended_by_signals():
        pulled = session.host.pull(image, platform=parse_platform(platform) if platform else None)
    for note in pulled.notes:
        session.output.note(escape(note))
    session.output.result(str(pulled.descriptor.digest))
