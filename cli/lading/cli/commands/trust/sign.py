"""`lading sign`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from lading.cli.calls.option_values import access, each, pairs
from lading.cli.cli_session import CliSession
from lading.store.errors import UsageError

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import AuthFile, Creds, ImagesArgument, SignKey, TlsVerify


def sign(
    ctx: typer.Context,
    images: ImagesArgument,
    key: SignKey = None,
    annotation: Annotated[
        list[str] | None, typer.Option("-a", "--annotation", metavar="NAME=VALUE", help="Signed along with it")
    ] = None,
    recursive: Annotated[bool, typer.Option("-r", "--recursive", help="And every image of an index")] = False,
    local: Annotated[bool, typer.Option("--local", help="The image in the local store (the default)")] = False,
    remote: Annotated[bool, typer.Option("--remote", help="The image in its registry")] = False,
    tls_verify: TlsVerify = None,
    authfile: AuthFile = None,
    creds: Creds = None,
) -> None:
    """Sign images.

    A signature is attached where `verify` looks: in the local store, from where `push` carries it along, or
    with --remote in the registry.
    """
    session = CliSession.of(ctx)
    access(session, tls_verify, authfile, creds, *images)
    if local and remote:
        raise UsageError("--local and --remote exclude each other")
    annotations = pairs(annotation, "-a")
    papers = session.host.attestor(session.key(key))

    def one(image: str) -> None:
        for descriptor in papers.sign(image, annotations, remote=remote, recursive=recursive):
            session.output.result(str(descriptor.digest))

    each(session, images, one)
