"""`lading images`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

import typer

from lading.cli.common import Format, Quiet
from lading.cli.output import age, size
from lading.cli.session import Session
from lading.host.images import Listed
from lading.registry.reference import Reference


def images(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[REPOSITORY[:TAG]]", help="Only these")] = None,
    quiet: Quiet = False,
    digests: Annotated[bool, typer.Option("--digests", help="Whole digests in place of IDs")] = False,
    format_: Annotated[Format, typer.Option("--format", help="How to show them")] = Format.table,
) -> None:
    """List images."""
    session = Session.of(ctx)
    rows = [row for row in session.host.images.all() if name is None or _matches(row.name, name)]
    if quiet:
        for digest in dict.fromkeys(row.descriptor.digest for row in rows):
            session.output.result(str(digest) if digests else digest.short)
    elif format_ is Format.json:
        for row in rows:
            session.output.result(json.dumps(_json(row)))
    else:
        heads = ("REPOSITORY", "TAG", "DIGEST" if digests else "IMAGE ID", "CREATED", "SIZE")
        session.output.table(heads, _rows(rows, digests))


def _matches(full: str, wanted: str) -> bool:
    reference = Reference.parse(full)
    other = Reference.parse(wanted)
    if reference.repository_name != other.repository_name:
        return False
    return ":" not in wanted.rpartition("/")[2] or reference.tag == other.tag


def _rows(rows: Iterable[Listed], digests: bool) -> Iterable[tuple[str, ...]]:
    for row in rows:
        reference = Reference.parse(row.name)
        familiar = Reference(reference.registry, reference.repository).familiar
        digest = row.descriptor.digest
        total = "incomplete" if row.size is None else size(row.size)
        yield familiar, reference.tag or "<none>", str(digest) if digests else digest.short, _age(row.created), total


def _age(created: str | None) -> str:
    try:
        moment = datetime.fromisoformat(created or "").timestamp()
    except ValueError:
        return "N/A"
    return f"{age(time.time() - moment)} ago"


def _json(row: Listed) -> dict[str, object]:
    return {"name": row.name, "digest": str(row.descriptor.digest), "created": row.created, "size": row.size}
