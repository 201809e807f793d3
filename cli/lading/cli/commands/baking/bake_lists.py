"""`lading bake --list`: what bake files define, as a table or as JSON, as buildx shows it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lading.cli.display.output import escape
from lading.store.errors import UsageError

if TYPE_CHECKING:
    from lading.build.bake.bake_selection import BakeFile
    from lading.cli.display.output import Output

_FORM = "expected targets, variables or groups, or type=…,format=table|json"


def show_list(output: Output, word: str, file: BakeFile) -> int:
    """Raises `UsageError`. Those whose names begin with _ are private."""
    kind, form = _parsed(word)
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]
    if kind == "variables":
        heads = ("VARIABLE", "TYPE", "VALUE", "DESCRIPTION")
        rows = [(one.name, one.type, one.shown, one.description) for one in file.variables]
        documents = [
            _without_empty({"name": one.name, "description": one.description, "type": one.type, "value": one.value})
            for one in file.variables
        ]
    else:
        found = sorted(_targets(file, groups_alone=kind == "groups"))
        heads = ("TARGET", "DESCRIPTION") if kind == "targets" else ("GROUP", "DESCRIPTION")
        rows = [(name, text) for name, text, _ in found]
        documents = [_without_empty({"name": name, "description": text, "group": group}) for name, text, group in found]
    if form == "json":
        output.result(json.dumps(documents, indent=2))
    else:
        _table(output, [heads, *rows])
    return 0


def _parsed(word: str) -> tuple[str, str]:
    pairs = {"type": word}
    if "=" in word:
        pairs = {name: value for name, _, value in (part.partition("=") for part in word.split(","))}
    kind, form = pairs.pop("type", ""), pairs.pop("format", "table")
    if pairs or kind not in ("targets", "variables", "groups") or form not in ("table", "json"):
        raise UsageError(f"--list {word}: {_FORM}")
    return kind, form


def _targets(file: BakeFile, *, groups_alone: bool) -> list[tuple[str, str, bool]]:
    found = [(target.name, target.text("description") or "", False) for target in file.targets if not groups_alone]
    for group in file.groups:
        names = ", ".join(sorted(group.targets))
        described = f"{group.description} ({names})" if group.description and names else group.description or names
        found.append((group.name, described, True))
    return [row for row in found if not row[0].startswith("_")]


def _without_empty(document: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in document.items() if value or (name == "value" and value is not None)}


def _table(output: Output, rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        output.result(escape("   ".join(cells).rstrip()))
