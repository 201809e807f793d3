"""`lading login`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from lading.cli.calls.option_values import ask_login, boolean
from lading.cli.cli_session import CliSession
from lading.cli.display.output import escape
from lading.store.errors import InputError, UsageError

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import AuthFile, TlsVerify


def login(
    ctx: typer.Context,
    registry: Annotated[str, typer.Argument(metavar="[REGISTRY]")] = "docker.io",
    username: Annotated[
        str | None, typer.Option("-u", "--username", metavar="NAME", help="Asked for at a terminal otherwise")
    ] = None,
    password: Annotated[
        str | None, typer.Option("-p", "--password", metavar="WORD", help="Seen by others: better on stdin")
    ] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read it from standard input")] = False,
    get_login: Annotated[bool, typer.Option("--get-login", help="Only show who is logged in")] = False,
    tls_verify: TlsVerify = None,
    authfile: AuthFile = None,
) -> None:
    """Log in to a registry.

    The registry is asked first; what it accepts is kept in docker's config.json.
    """
    from lading.host.registries import log_in  # noqa: PLC0415
    from lading.registry.credentials.files import Credential  # noqa: PLC0415

    session = CliSession.of(ctx)
    session.tls_verify = boolean(tls_verify, "--tls-verify")
    session.authfile = authfile
    if get_login:
        _show(session, registry)
        return
    if password is not None and password_stdin:
        raise UsageError("--password and --password-stdin exclude each other")
    if password is not None:
        session.output.warn("a password on the command line is seen by others: use --password-stdin")
    name = username or ask_login("Username: ", secret=False)
    secret = sys.stdin.read().rstrip("\r\n") if password_stdin else password
    credential = Credential(name, secret if secret is not None else ask_login("Password: ", secret=True))
    where = log_in(session.host.configuration, registry, credential, session.output.warn)
    session.output.result(f"Login succeeded; kept in {where}")


def _show(session: CliSession, registry: str) -> None:
    from lading.host.registries import login_of  # noqa: PLC0415

    user = login_of(session.host.configuration, registry)
    if user is None:
        raise InputError(f"not logged in to {registry}")
    session.output.result(escape(user))
