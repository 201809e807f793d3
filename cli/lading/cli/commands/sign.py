"""`lading sign`."""

from __future__ import annotations

from typing import Annotated

import typer

from lading.cli.common import SignKey, TlsVerify, boolean, pairs
from lading.cli.session import Session
from lading.store.errors import UsageError


def sign(
    ctx: typer.Context,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="Name, digest or ID of an image")],
    key: SignKey = None,
    annotation: Annotated[
        list[str] | None, typer.Option("-a", "--annotation", metavar="NAME=VALUE", help="Signed along with it")
    ] = None,
    recursive: Annotated[bool, typer.Option("-r", "--recursive", help="And every image of an index")] = False,
    local: Annotated[bool, typer.Option("--local", help="The image in the local store (the default)")] = False,
    remote: Annotated[bool, typer.Option("--remote", help="The image in its registry")] = False,
    tls_verify: TlsVerify = None,
) -> None:
    """Sign an image.

    The signature is attached where `verify` looks: in the local store, from where `push` carries it along, or
    with --remote in the registry.
    """
    session = Session.of(ctx)
    session.tls_verify = boolean(tls_verify, "--tls-verify")
    if local and remote:
        raise UsageError("--local and --remote exclude each other")
    annotations = pairs(annotation, "-a")
    signed = session.host.sign(image, key=session.key(key), annotations=annotations, remote=remote, recursive=recursive)
    for descriptor in signed:
        session.output.result(str(descriptor.digest))
