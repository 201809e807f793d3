"""`lading exec`."""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated

import typer

from lading.cli.common import Container, environment
from lading.cli.session import Session
from lading.store.errors import InputError


def exec_(
    ctx: typer.Context,
    container: Container,
    command: Annotated[list[str], typer.Argument(metavar="COMMAND [ARG]...", help="What to run")],
    detach: Annotated[bool, typer.Option("-d", "--detach", help="Leave it running")] = False,
    interactive: Annotated[bool, typer.Option("-i", "--interactive", help="Pass standard input on")] = False,
    tty: Annotated[bool, typer.Option("-t", "--tty", help="Give it a terminal")] = False,
    env: Annotated[list[str] | None, typer.Option("-e", "--env", metavar="NAME[=VALUE]", help="A variable")] = None,
    user: Annotated[str | None, typer.Option("-u", "--user", metavar="USER[:GROUP]", help="Who runs it")] = None,
    workdir: Annotated[str | None, typer.Option("-w", "--workdir", metavar="DIR", help="Where it starts")] = None,
) -> int:
    """Run a command in a running container."""
    from lading.cli.terminal import streams  # noqa: PLC0415
    from lading.runtime.crun import StartError  # noqa: PLC0415
    from lading.runtime.execs import ExecOptions  # noqa: PLC0415

    session = Session.of(ctx)
    if tty and not detach and not sys.stdin.isatty():
        raise InputError("the input device is not a terminal", hint="leave -t out, or call from a terminal")
    options = ExecOptions(
        tuple(command), environment(env, session.environment), user, workdir, detach, interactive, tty
    )
    lent = contextlib.nullcontext() if detach else streams(tty=tty, attached=True)
    with lent as io:
        try:
            return session.host.runtime.execute(container, options, io)
        except StartError as error:
            failure = InputError(error.message)
            failure.exit_code = error.code
            raise failure from None
