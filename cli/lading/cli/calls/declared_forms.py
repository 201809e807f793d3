"""The forms of the commands, as their declarations have them: what `forms` is generated from, and held to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from inspect import cleandoc, signature
from pprint import pformat
from typing import Any, Final, get_args

from typer.core import TyperArgument, TyperOption

from lading.cli.calls.command_table import COMMANDS, CommandEntry
from lading.cli.calls.forms import Argument, CommandForm, Option, Page
from lading.cli.calls.typer_app import application, resolved

_PLAIN: Final = ("str", "int", "float", "path")
_HEAD: Final = '''"""Every command's options and arguments: `scripts/forms` writes it from the declarations."""

from __future__ import annotations

from typing import Final

Option = tuple[str, str, bool]
"""The parameter, its type, and whether it may be given more than once."""

Argument = tuple[str, str, bool]
"""The parameter, its type, and whether it takes all the words that are left."""

CommandForm = tuple[dict[str, Option], tuple[Argument, ...], tuple[str, ...]]
"""Last, the parameters that must be given."""

'''
_FORMS: Final = "FORMS: Final[dict[str, CommandForm]] = "
_PAGE: Final = '''
Page = tuple[str, str, tuple[tuple[str, str], ...]]
"""How it is called, what it is, and its options with what they do."""

PAGE: Final[Page] = '''


def forms() -> dict[str, CommandForm]:
    """By module below `lading.cli.commands`; under "" that of `lading` itself."""
    top = application()
    found = {"": _form(top)}
    for module, command in _commands(top, COMMANDS):
        found.setdefault(module, _form(command))
    return found


def source() -> str:
    """The text of `lading.cli.calls.forms`."""
    shown = (pformat(value, width=110, sort_dicts=False) for value in (forms(), page()))
    return "".join((_HEAD, _FORMS, next(shown), "\n", _PAGE, next(shown), "\n"))


def page() -> Page:
    """What `lading --help` shows of itself."""
    top = application()
    context = top.make_context("lading", [], resilient_parsing=True)
    records = (param.get_help_record(context) for param in top.get_params(context))
    options = tuple((str(record[0]), str(record[1])) for record in records if record)
    return " ".join(top.collect_usage_pieces(context)), cleandoc(str(top.help)), options


def _commands(group: Any, table: Mapping[str, CommandEntry]) -> Iterator[tuple[str, Any]]:
    """Those of the table, and of the groups in it."""
    for name, entry in table.items():
        command = None if entry.later else group.get_command(None, name)
        if command is None:
            continue
        if entry.commands is not None:
            yield from _commands(command, entry.commands)
        else:
            yield entry.module or name, command


def _form(command: Any) -> CommandForm:
    options: dict[str, Option] = {}
    arguments: list[Argument] = []
    function = command.callback.__wrapped__
    assert next(iter(signature(function).parameters)) == "ctx"
    for param in command.params:
        if param.is_eager:  # what ends the call before it begins is typer's
            continue
        kind = _kind(param, function)
        if isinstance(param, TyperOption):
            assert param.nargs == 1
            options |= {word: (str(param.name), kind, param.multiple) for word in param.opts}
            options |= {word: (str(param.name), "off", False) for word in param.secondary_opts}
        else:
            assert isinstance(param, TyperArgument)
            arguments.append((str(param.name), kind, param.nargs == -1))
    return options, tuple(arguments), tuple(str(param.name) for param in command.params if param.required)


def _kind(param: Any, function: Callable[..., object]) -> str:
    assert param.envvar is None
    assert param.callback is None
    if getattr(param, "is_flag", False):
        return "flag"
    if param.type.name in _PLAIN:
        return str(param.type.name)
    annotation = signature(resolved(function)).parameters[param.name].annotation
    [enum] = (found for found in _parts(annotation) if isinstance(found, type) and issubclass(found, Enum))
    return f"{enum.__module__}:{enum.__qualname__}"


def _parts(annotation: object) -> Iterator[object]:
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)
