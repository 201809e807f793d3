"""Lists as docker shows them: a table, JSON, one object a line, or a Go template over the same fields.

A row maps docker's names of fields (``ID``, ``Names``, ``Size``) to what is shown; `heads` maps them to the heads of
columns, and is the one table of the fields that a list has.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from lading.cli.display.output import Output, end_drawing, escape
from lading.cli.templates.go_values import Lookup
from lading.store.errors import UsageError
from lading.store.system.patterns import pattern

ListRow = Mapping[str, object]
_WHOLE: Final = pattern(r"\{\{-?\s*range\s+(?:\$\w+\s*(?:,\s*\$\w+\s*)?:=\s*)?\.\s*-?\}\}")
_WIDTH: Final = 10
_GAP: Final = 3


def check_format(format_: str) -> None:
    """Raises `UsageError` for what no list could be shown by; asked before anything is read."""
    if format_ not in ("table", "json") and "{{" not in format_:
        raise UsageError(f"--format {format_}: expected table, json or a Go template such as '{{{{.ID}}}}'")


def show_list(
    output: Output,
    format_: str,
    rows: Iterable[ListRow],
    heads: Mapping[str, str],
    columns: Sequence[str],
    cut: Sequence[str] = (),
) -> None:
    """Writes the rows, as a table with these columns unless `format_` wants something else; see `Output.table`."""
    check_format(format_)
    if format_ == "table":
        shown = ([_text(row[name]) for name in columns] for row in rows)
        output.table([heads[name] for name in columns], shown, [heads[name] for name in cut])
        return
    from lading.cli.templates.executing import Template  # noqa: PLC0415
    from lading.cli.templates.go_values import document  # noqa: PLC0415

    data = [document(dict(row), frozenset()) for row in rows]
    words = "{{json .}}" if format_ == "json" else _unescaped(format_.removeprefix("table "))
    template = Template(words)
    if format_.startswith("table "):
        _columns([_heads(words, heads), *(template.render(row) for row in data)])
    elif _WHOLE.match(words):
        write(template.render(data))  # podman's way: the template goes through the list itself
    else:
        for row in data:
            write(template.render(row))


def write(text: str) -> None:
    """A line that a template made: for a program as it is, for a terminal without what could draw on it."""
    end_drawing()
    sys.stdout.write(f"{safe(text)}\n")


def safe(text: str) -> str:
    """`text` as it is, or at a terminal escaped, but for ends of lines and tabs."""
    if not sys.stdout.isatty():
        return text
    return "".join(part if part in ("\n", "\t") else escape(part) for part in re.split(r"([\n\t])", text))


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(value)


def _unescaped(text: str) -> str:
    r"""A backslash and t or n outside of actions, as docker reads them."""
    return text.strip().replace("\\t", "\t").replace("\\n", "\n")


def _heads(words: str, heads: Mapping[str, str]) -> str:
    """The line above the columns: the same template on the heads, where no function changes anything."""
    from lading.cli.templates.executing import Template  # noqa: PLC0415

    names = ("json", "join", "lower", "pad", "split", "title", "truncate", "upper")
    return Template(words, dict.fromkeys(names, _first)).render({**heads, "Label": _Asked()})


class _Asked(Lookup):
    """What is asked for by name is the head of its column."""

    __slots__ = ()

    def __missing__(self, name: str) -> object:
        return name


def _first(text: object, *others: object) -> object:
    del others
    return text


def _columns(lines: Iterable[str]) -> None:
    """Cells between tabs, in columns as wide as their widest (Go's text/tabwriter with docker's settings)."""
    cells = [safe(line).split("\t") for text in lines for line in text.split("\n")]
    widths: Callable[[int], int] = lambda column: max(  # noqa: E731
        (_WIDTH, *(len(row[column]) + _GAP for row in cells if len(row) > column + 1))
    )
    wide = [widths(column) for column in range(max(map(len, cells)))]
    for row in cells:
        sys.stdout.write("".join(cell.ljust(wide[at]) for at, cell in enumerate(row[:-1])) + f"{row[-1]}\n")
