"""`lading save`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

from lading.cli.calls.values import another, compression
from lading.cli.session import CliSession
from lading.store.errors import InputError, UsageError
from lading.store.oci.descriptors import Descriptor

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.options import Compress, Images
    from lading.store.archives.compression import Compression


def save(
    ctx: typer.Context,
    images: Images,
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
    from lading.host.images.outputs import destination, form_of, write_stream  # noqa: PLC0415

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
    found = _all(session, images)
    store = session.host.store
    with store.writing():
        named = [(_compressed(session, descriptor, wanted), names) for descriptor, names in found]
        if target is not None:
            target.write_all(store, named, evidence=evidence)
            return
        sys.stdout.flush()
        write_stream(store, named, sys.stdout.buffer.write, kind, evidence=evidence)
        sys.stdout.buffer.flush()


def _compressed(session: CliSession, descriptor: Descriptor, wanted: Compression | None) -> Descriptor:
    converted = session.host.compressed(descriptor, wanted)
    if converted != descriptor:
        session.output.note(another(descriptor, converted, str(wanted)))
    return converted


def _all(session: CliSession, texts: list[str]) -> list[tuple[Descriptor, tuple[str, ...]]]:
    """Every image, once, under the names it was given by; an error for each that is not here, and then nothing."""
    found: dict[Descriptor, dict[str, None]] = {}
    missing: list[InputError] = []
    for text in texts:
        try:
            located = session.host.images.get(text)
            found.setdefault(located.descriptor, {}).update(dict.fromkeys(located.own))
        except InputError as error:
            missing.append(error)
    for other in missing[:-1]:
        session.output.error(other)
    if missing:
        raise missing[-1]
    return [(descriptor, tuple(names)) for descriptor, names in found.items()]
