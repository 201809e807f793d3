"""`lading completion`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from lading.cli.cli_session import CliSession

if TYPE_CHECKING:
    import typer


class CompletionShell(StrEnum):
    """The shells whose completion is known."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


def completion(
    ctx: typer.Context,
    shell: Annotated[CompletionShell, typer.Argument(metavar="bash|zsh|fish", help="The shell to complete in")],
) -> None:
    """Print the completion script of a shell.

    For bash: `source <(lading completion bash)`.
    """
    from typer._completion_shared import get_completion_script  # noqa: PLC0415 - the public module only re-imports it

    script = get_completion_script(prog_name="lading", complete_var="_LADING_COMPLETE", shell=shell.value)
    CliSession.of(ctx).output.result(script)
