"""What typer says of words that it cannot read, in the words of the rest: ``--jobs two: expected a whole number``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from lading.cli.calls.command_table import entry_of
from lading.cli.calls.peer_options import known
from lading.store.errors import UsageError

_REFUSED: Final = re.compile(
    r"Invalid value for '(?:.* / )?'?(?P<option>-[^' ]*)': (?P<quote>['\"])(?P<value>.*)(?P=quote) is not "
    r"(?:a valid (?P<kind>\w+)|one of (?P<choices>.*))",
    re.DOTALL,
)
"""Typer's words of a value that is none of its option's."""

_EXPECTED: Final = {"int": "a whole number", "float": "a number"}
"""What the value of an option is to be, by typer's name for it."""


def usage_error(error: Exception) -> UsageError:
    """What `error`, one of typer's, says, in our words; `error` has the command's path, and the option or value."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "lading"
    hint = f"`{path} --help` shows what it takes"
    option = getattr(error, "option_name", None)
    if option is not None and hasattr(error, "possibilities"):
        similar: Sequence[str] = getattr(error, "possibilities", None) or ()
        return _no_option(path.split()[1:], option, similar, hint)
    message = str(getattr(error, "format_message", error.__str__)()).partition(". Choose from:")[0].rstrip(".")
    if found := re.fullmatch(r"Got unexpected extra argument\S* \((.*)\)", message):
        return UsageError(f"more words than it takes: {found[1]}", hint=hint)
    return UsageError(_no_value(message) or message[:1].lower() + message[1:], hint=hint)


def _no_value(message: str) -> str | None:
    """A value that its option does not take, said as where an option is read here; None for another message."""
    found = _REFUSED.fullmatch(message)
    if not found:
        return None
    choices = (found["choices"] or "").replace("'", "")
    expected = f"one of {choices}" if choices else _EXPECTED.get(found["kind"], found["kind"])
    return f"{found['option']} {found['value']}: expected {expected}"


def _no_option(path: Sequence[str], option: str, similar: Sequence[str], hint: str) -> UsageError:
    """One that others have is not built yet; of any other, what was perhaps meant."""
    entry = entry_of(path)
    verb = (entry.function.rstrip("_") if entry else "") or (path[-1] if path else "")
    if known(verb, option):
        return UsageError(f"{option} is not built yet", hint=hint)
    near = f"did you mean {' or '.join(sorted(similar))}? {hint}" if similar else hint
    return UsageError(f"no such option: {option}", hint=near)
