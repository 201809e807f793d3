"""`lading save`."""

from __future__ import annotations

from typing import Annotated

import typer

from lading.cli.session import Session


def save(
    ctx: typer.Context,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="Name, digest or ID of an image")],
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="DEST", help="oci:DIR, oci-archive:FILE or docker-archive:FILE")
    ],
    evidence: Annotated[bool, typer.Option("--evidence", help="With signatures and attestations")] = False,
) -> None:
    """Write an image to an OCI layout or a docker archive."""
    from lading.host.outputs import parse_output  # noqa: PLC0415

    session = Session.of(ctx)
    located = session.host.images.get(image)
    parse_output(output).write(session.host.store, located.descriptor, located.own, evidence=evidence)
