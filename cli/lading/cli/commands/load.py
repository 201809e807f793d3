"""`lading load`."""

from __future__ import annotations

from typing import Annotated

import typer

from lading.cli.common import ProgressForm, Quiet, short
from lading.cli.endings import ended_by_signals
from lading.cli.progress import Form
from lading.cli.session import Session


def load(
    ctx: typer.Context,
    source: Annotated[
        str, typer.Option("-i", "--input", metavar="FILE|oci:DIR", help="A layout, or an archive of one or of docker's")
    ],
    tag: Annotated[str | None, typer.Option("-t", "--tag", metavar="NAME", help="Its name instead of its own")] = None,
    progress: ProgressForm = Form.auto,
    quiet: Quiet = False,
) -> None:
    """Read images from an OCI layout or an archive.

    Evidence in a layout comes along. Nothing is judged here: `run`, `verify` and `build` do that.
    """
    from lading.host.loading import load as read  # noqa: PLC0415

    session = Session.of(ctx)
    session.quiet, session.progress = quiet, progress
    with ended_by_signals():
        found = read(session.host.store, source, tag, session.host.progress)
    for image in found:
        session.output.result(str(image.descriptor.digest) if quiet else f"Loaded: {short(image.name)}")
