"""`lading exec`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from lading.cli.calls.option_values import environment, require_terminal
from lading.cli.cli_session import CliSession

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import ContainerArgument


def exec_(
    ctx: typer.Context,
    container: ContainerArgument,
    command: Annotated[list[str], typer.Argument(metavar="COMMAND [ARG]...", help="What to run")],
    detach: Annotated[bool, typer.Option("-d", "--detach", help="Leave it running")] = False,
    interactive: Annotated[bool, typer.Option("-i", "--interactive", help="Pass standard input on")] = False,
    tty: Annotated[bool, typer.Option("-t", "--tty", help="Give it a terminal")] = False,
    env: Annotated[list[str] | None, typer.Option("-e", "--env", metavar="NAME[=VALUE]", help="A variable")] = None,
    user: Annotated[str | None, typer.Option("-u", "--user", metavar="USER[:GROUP]", help="Who runs it")] = None,
    workdir: Annotated[str | None, typer.Option("-w", "--workdir", metavar="DIR", help="Where it starts")] = None,
) -> int:
    """Run a command in a running container.

    A signal goes to the command inside; when nobody reads its output any more, the command is ended.
    """
    from lading.cli.display.terminal import Foreground, as_exit  # noqa: PLC0415
    from lading.runtime.process.execs import ExecOptions  # noqa: PLC0415

    session = CliSession.of(ctx)
    if interactive and tty and not detach:
        require_terminal()
    options = ExecOptions(
        tuple(command), environment(env, session.environment), user, workdir, detach, interactive, tty
    )
    with Foreground(session.output, tty=tty and not detach, interactive=interactive) as caller, as_exit():
        return session.host.runtime.execute(container, options, caller.streams)
