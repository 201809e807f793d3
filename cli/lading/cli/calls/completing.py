"""Completion of what most people complete, commands and in bash their options, without typer.

What the shell's script asks and how it is answered is typer's protocol; where values, quotes or options that were
given already matter, typer answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lading.cli.calls.command_table import COMMANDS, CommandEntry
from lading.cli.calls.forms import FORMS


def answer(environment: Mapping[str, str]) -> tuple[str, int] | None:
    """What to print and the exit code; None where typer has to find out."""
    shell = environment["_LADING_COMPLETE"].removeprefix("complete_")
    asked = _asked(shell, environment)
    if asked is None:
        return None
    found = _found(*asked, options=shell == "bash")
    if not found:
        return None
    if shell == "zsh":
        shown = "\n".join(f'"{name}"' for name in found)
        return f"_arguments '*: :(({shown}))'\n", 0
    if shell == "fish" and environment.get("_TYPER_COMPLETE_FISH_ACTION") == "is-args":
        return "", 0
    return "".join(f"{name}\n" for name in found), 0


def _asked(shell: str, environment: Mapping[str, str]) -> tuple[list[str], str] | None:
    """The words before the one that is to be completed, and its beginning."""
    line = environment.get("COMP_WORDS" if shell == "bash" else "_TYPER_COMPLETE_ARGS", "")
    action = environment.get("_TYPER_COMPLETE_FISH_ACTION")
    if not set(line).isdisjoint("\"'\\=") or (shell == "fish" and action not in ("get-args", "is-args")):
        return None
    words = line.split()
    if shell == "bash":
        number = environment.get("COMP_CWORD", "")
        at = int(number) if number.isascii() and number.isdigit() else 0
    else:
        at = len(words) - (not line[-1:].isspace())
    known = shell in ("bash", "zsh", "fish") and at > 0
    return (words[1:at], words[at] if at < len(words) else "") if known else None


def _found(words: Sequence[str], beginning: str, *, options: bool) -> list[str]:
    """The names that begin so, none where it is not a matter of names."""
    table: Mapping[str, CommandEntry] = COMMANDS
    for number, word in enumerate(words):
        entry = table.get(word)
        if entry is None or entry.later:
            return []
        if entry.commands is None:
            return _options(entry.module or word, entry, beginning) if options and number == len(words) - 1 else []
        table = entry.commands
    return [name for name, entry in table.items() if not entry.later and name.startswith(beginning)]


def _options(module: str, entry: CommandEntry, beginning: str) -> list[str]:
    if module not in FORMS or not beginning.startswith("-"):
        return []
    names = [*FORMS[module][0], *(() if entry.failure else ("-h",)), "--help"]
    return [name for name in names if name.startswith(beginning)]
