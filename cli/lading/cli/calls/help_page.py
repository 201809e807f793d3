"""The page that `lading --help` shows, set without typer: as typer sets it, to the column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from shutil import get_terminal_size
from textwrap import TextWrapper

from lading.cli.calls.command_table import COMMANDS
from lading.cli.calls.forms import PAGE

_MOST, _LEAST, _LEFT = 80, 50, 30


def page() -> str:
    """Usage, purpose, options and commands, for a terminal as wide as this one."""
    usage, purpose, options = PAGE
    width = max(min(get_terminal_size().columns, _MOST) - 2, _LEAST)
    commands = [(name, entry.help) for name, entry in COMMANDS.items() if not entry.later]
    lines = [
        *_wrapped(usage, width, "Usage: lading "),
        "",
        *_wrapped(purpose, width, "  ", "  "),
        *("", "Options:", *_listed(options, width)),
        *("", "Commands:", *_listed(commands, width)),
    ]
    return "\n".join(lines)


def _wrapped(text: str, width: int, first: str = "", more: str = "") -> list[str]:
    return TextWrapper(width, initial_indent=first, subsequent_indent=more, replace_whitespace=False).wrap(text)


def _listed(rows: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    """Two columns, the right one wrapped."""
    left = min(max(len(name) for name, _ in rows), _LEFT) + 2
    for name, text in rows:
        first, *more = _wrapped(text, max(width - left - 2, 10))
        yield f"  {name:<{left}}{first}"
        yield from (f"  {'':<{left}}{line}" for line in more)
