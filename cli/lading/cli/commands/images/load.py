"""`lading load`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

from lading.cli.calls.option_values import short
from lading.cli.cli_session import CliSession
from lading.cli.display.progress_display import ProgressKind
from lading.cli.endings import ended_by_signals
from lading.store.errors import UsageError

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import ProgressForm


def load(
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Option(
            "-i",
            "--input",
            metavar="FILE|oci:DIR",
            help="A layout, or an archive of one or of docker's [default: standard input]",
            show_default=False,
        ),
    ] = "-",
    tag: Annotated[str | None, typer.Option("-t", "--tag", metavar="NAME", help="Its name instead of its own")] = None,
    progress: ProgressForm = ProgressKind.auto,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Without progress")] = False,
) -> None:
    """Read images from an OCI layout or an archive.

    Evidence in a layout comes along. Nothing is judged here: `run`, `verify` and `build` do that.
    """
    session = CliSession.of(ctx)
    session.quiet, session.progress = quiet, progress
    if source == "-" and os.isatty(0):
        raise UsageError("an archive is not read from a terminal", hint="name a file with -i, or redirect one: < FILE")
    with ended_by_signals():
        found = session.host.archives.load(source, tag)
    for image in found:
        name = short(image.name) if image.name else ""
        session.output.result(f"Loaded image: {name}" if name else f"Loaded image ID: {image.descriptor.digest}")
