"""`lading login`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from lading.cli.common import TlsVerify, boolean
from lading.cli.session import Session
from lading.store.errors import UsageError


def login(
    ctx: typer.Context,
    registry: Annotated[str, typer.Argument(metavar="[REGISTRY]")] = "docker.io",
    username: Annotated[str | None, typer.Option("-u", "--username", help="Asked for at a terminal otherwise")] = None,
    password: Annotated[str | None, typer.Option("-p", "--password", help="Seen by others: better on stdin")] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read it from standard input")] = False,
    tls_verify: TlsVerify = None,
) -> None:
    """Log in to a registry.

    The registry is asked first; what it accepts is kept in docker's config.json.
    """
    from lading.host.registries import log_in  # noqa: PLC0415
    from lading.registry.credentials import Credential  # noqa: PLC0415

    session = Session.of(ctx)
    session.tls_verify = boolean(tls_verify, "--tls-verify")
    if password is not None and password_stdin:
        raise UsageError("--password and --password-stdin exclude each other")
    if password is not None:
        session.output.warn("a password on the command line is seen by others: use --password-stdin")
    name = username or _ask("Username: ", secret=False)
    secret = sys.stdin.read().rstrip("\r\n") if password_stdin else password
    credential = Credential(name, secret if secret is not None else _ask("Password: ", secret=True))
    where = log_in(session.host.configuration, registry, credential, session.output.warn)
    session.output.result(f"Login succeeded; kept in {where}")


def _ask(prompt: str, *, secret: bool) -> str:
    if not sys.stdin.isatty():
        raise UsageError("not at a terminal: use --username and --password-stdin")
    if secret:
        from getpass import getpass  # noqa: PLC0415

        return getpass(prompt)
    sys.stderr.write(prompt)
    sys.stderr.flush()
    return sys.stdin.readline().strip()
