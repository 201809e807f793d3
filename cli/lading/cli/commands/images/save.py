"""`lading save`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

from lading.cli.calls.option_values import another, compression
from lading.cli.cli_session import CliSession
from lading.store.errors import UsageError

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import Compress, ImagesArgument


def save(
    ctx: typer.Context,
    images: ImagesArgument,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DEST",
            help="FILE, or oci:DIR, oci-archive:FILE, docker-archive:FILE [default: standard output]",
        ),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORM",
            help="docker-archive, oci-archive or oci-dir [default: an archive that is a layout and docker's in one]",
        ),
    ] = None,
    compress: Compress = None,
    evidence: Annotated[bool, typer.Option("--evidence", help="With signatures and attestations")] = False,
    multiple: Annotated[bool, typer.Option("-m", "--multi-image-archive", hidden=True)] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Without progress")] = False,
) -> None:
    """Write images to an archive or an OCI layout.

    All of them, or nothing. Layers that are compressed otherwise make another image: no evidence speaks of that.
    """
    from lading.host.images.outputs import destination, form_of  # noqa: PLC0415

    del multiple  # what podman asks for is how it always is here
    session = CliSession.of(ctx)
    session.quiet = quiet
    wanted = compression(compress)
    target = destination(output, format_) if output not in (None, "-") else None
    kind = form_of(format_)
    if target is None and kind == "oci":
        raise UsageError("a folder is not written to standard output", hint="name it with -o")
    if target is None and os.isatty(1):
        raise UsageError("an archive is no text for a terminal", hint="name a file with -o, or redirect it")
    sink = (sys.stdout.buffer.write, kind)
    sys.stdout.flush()
    saved = session.host.archives.save(
        images, target or sink, compression=wanted, evidence=evidence, missing=session.output.error
    )
    sys.stdout.buffer.flush()
    for image in saved:
        if image.descriptor != image.source:
            session.output.note(another(image.source, image.descriptor, str(wanted)))
