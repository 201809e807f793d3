"""The command tree: a group that imports a command only when it is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from lading.cli.calls import shared_options
from lading.cli.calls.command_table import COMMANDS, CommandEntry
from lading.cli.calls.option_values import boolean
from lading.cli.cli_session import CliSession, Color
from lading.cli.endings import EndedError
from lading.store.errors import UsageError

_PLAIN: Final[dict[str, Any]] = {
    "rich_markup_mode": None,
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "no_args_is_help": False,
}
"""How every Typer application here is made: no rich, no hooks."""

_SETTINGS: Final = {"help_option_names": ["-h", "--help"]}
# Everything after the image or container belongs to the command inside, options included.
# There -h is the host name, as with docker.
_VERBATIM: Final = {"help_option_names": ["--help"], "allow_interspersed_args": False}


class LadingCommand(TyperCommand):
    """A command that reads ``=`` as docker's do: flags may have a value, ``--rm=false``, and ``-o=FILE`` means FILE."""

    def make_parser(self, ctx: Any) -> Any:
        """As click does, but for the ``=``."""
        parser: Any = super().make_parser(ctx)
        plain = parser._match_long_opt

        def match(name: str, value: str | None, state: Any) -> None:
            option = parser._long_opt.get(name) or parser._short_opt.get(name)
            if option is None or value is None:
                plain(name, value, state)
            elif option.takes_value:
                option.process(value, state)
            else:
                state.opts[option.dest] = option.const is boolean(value, name)
                state.order.append(option.obj)

        parser._match_long_opt = match
        return parser


class LazyGroup(TyperGroup):
    """The commands of a table, built one at a time."""

    table: Mapping[str, CommandEntry] = COMMANDS

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of the table."""
        return [name for name, entry in self.table.items() if not entry.later]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command `cmd_name`, or None where there is none."""
        entry = self.table.get(cmd_name)
        if entry is None:
            return None
        if entry.later:
            return _command(cmd_name, _later(cmd_name, entry), {"ignore_unknown_options": True, **_VERBATIM})
        if entry.commands is not None:
            return _group(cmd_name, entry)
        module = import_module(f"lading.cli.commands.{entry.module}")
        settings = {**(_VERBATIM if entry.failure else _SETTINGS), "default_map": entry.preset}
        return _command(cmd_name, getattr(module, entry.function), settings)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As click does, with a guess at what a mistyped command was meant to be."""
        if args[0] not in self.table and not args[0].startswith("-"):
            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            path = ctx.command_path
            raise UsageError(
                f"unknown command {args[0]!r}",
                hint=f"did you mean `{path} {near[0]}`?" if near else f"`{path} --help` lists the commands",
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The table of commands, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.table[name].help) for name in self.list_commands(ctx)])

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Command names from the table alone; options as click has them."""
        from typer._click.shell_completion import CompletionItem  # noqa: PLC0415

        names = [CompletionItem(name) for name in self.list_commands(ctx) if name.startswith(incomplete)]
        return names or super().shell_complete(ctx, incomplete)


def resolved(function: Callable[..., object]) -> Callable[..., object]:
    """A command whose annotations are what its module names where only types are checked: typer reads them."""
    known = {**vars(shared_options), **function.__globals__}
    function.__annotations__ = get_type_hints(function, known, include_extras=True)
    return function


def _command(name: str, function: Callable[..., object], settings: dict[str, Any]) -> Any:
    app = typer.Typer(**_PLAIN)
    app.command(name, cls=LadingCommand, context_settings=settings)(resolved(function))
    return typer.main.get_command(app)


def _group(name: str, entry: CommandEntry) -> Any:
    def show(ctx: typer.Context) -> None:
        if ctx.invoked_subcommand is None:
            typer.echo(ctx.get_help())

    show.__doc__ = f"{entry.help}."
    group = type(name, (LazyGroup,), {"table": entry.commands})
    app = typer.Typer(name=name, cls=group, invoke_without_command=True, context_settings=_SETTINGS, **_PLAIN)
    app.callback()(show)
    return typer.main.get_command(app)


def _later(name: str, entry: CommandEntry) -> Callable[..., None]:
    def refuse(arguments: Annotated[list[str] | None, typer.Argument(metavar="[ARG]...")] = None) -> None:
        del arguments
        raise UsageError(f"`lading {name}` is not built yet")

    refuse.__doc__ = f"{entry.help} (not built yet)."
    return refuse


def _main(
    ctx: typer.Context,
    root: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where images, keys, policy and containers are kept [env: LADING_ROOT; default: "
            "/var/lib/lading for root, else $XDG_DATA_HOME/lading]",
        ),
    ] = None,
    color: Annotated[Color, typer.Option(help="When to colour what is shown at a terminal")] = Color.auto,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="List all evidence where an image is judged")
    ] = False,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit", is_eager=True)] = False,
) -> None:
    """Container images built, signed, moved and run only with the papers that prove where they came from."""
    if version or (verbose and ctx.invoked_subcommand is None):  # docker's -v
        from lading.cli.display.output import version_line  # noqa: PLC0415

        typer.echo(version_line())
        raise EndedError(0)
    ctx.obj = CliSession.from_environment(root, color)
    ctx.obj.verbose = verbose
    ctx.call_on_close(ctx.obj.close)
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def application() -> Any:
    """The whole command line, as one click command."""
    app = typer.Typer(cls=LazyGroup, invoke_without_command=True, context_settings=_SETTINGS, **_PLAIN)
    app.callback()(_main)
    return typer.main.get_command(app)
