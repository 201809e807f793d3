"""`lading attest`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from lading.cli.calls.option_values import access, read_input
from lading.cli.cli_session import CliSession
from lading.store.errors import UsageError

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import AuthFile, Creds, SignKey, TlsVerify

_MAX_PREDICATE = 4 * 1024 * 1024


def attest(
    ctx: typer.Context,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="Name, digest or ID of an image")],
    predicate: Annotated[str, typer.Option(metavar="FILE", help="What to say about it: a JSON object; - is stdin")],
    type_: Annotated[
        str, typer.Option("--type", metavar="TYPE", help="slsaprovenance1, spdxjson, cyclonedx, vuln, ... or a URI")
    ] = "custom",
    key: SignKey = None,
    local: Annotated[bool, typer.Option("--local", help="The image in the local store (the default)")] = False,
    remote: Annotated[bool, typer.Option("--remote", help="The image in its registry")] = False,
    tls_verify: TlsVerify = None,
    authfile: AuthFile = None,
    creds: Creds = None,
) -> None:
    """Attach a signed statement about an image.

    It is attached where `verify` looks: in the local store, or with --remote in the registry.
    """
    session = CliSession.of(ctx)
    access(session, tls_verify, authfile, creds, image)
    if local and remote:
        raise UsageError("--local and --remote exclude each other")
    data = read_input(predicate, "--predicate", _MAX_PREDICATE)
    for descriptor in session.host.attestor(session.key(key)).attest(image, type_, data, remote=remote):
        session.output.result(str(descriptor.digest))
