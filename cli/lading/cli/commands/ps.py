"""`lading ps`."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from lading.cli.common import Format, Quiet
from lading.cli.output import age
from lading.cli.session import Session
from lading.store.strict import Fields

if TYPE_CHECKING:
    from lading.runtime.state import Container

_HEADS = ("CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES")


def ps(
    ctx: typer.Context,
    all_: Annotated[bool, typer.Option("-a", "--all", help="And those that ended")] = False,
    quiet: Quiet = False,
    no_trunc: Annotated[bool, typer.Option("--no-trunc", help="Whole IDs and commands")] = False,
    format_: Annotated[Format, typer.Option("--format", help="How to show them")] = Format.table,
) -> None:
    """List containers."""
    session = Session.of(ctx)
    found = session.host.runtime.list(every=all_)
    if quiet:
        for container in found:
            session.output.result(container.id if no_trunc else container.short)
    elif format_ is Format.json:
        for container in found:
            session.output.result(json.dumps(dict(zip(_KEYS, _row(container, True), strict=True))))
    else:
        session.output.table(_HEADS, (_row(container, no_trunc) for container in found))


_KEYS = ("ID", "Image", "Command", "CreatedAt", "Status", "Ports", "Names")


def _row(container: Container, whole: bool) -> tuple[str, ...]:
    shown = Fields(dict(container.config), "container")
    command = shlex.join((*shown.strings("Entrypoint"), *shown.strings("Cmd")))
    if not whole and len(command) > 20:
        command = f"{command[:19]}…"
    return (
        container.id if whole else container.short,
        container.image,
        f'"{command}"',
        f"{_ago(container.created)} ago",
        _status(container),
        ", ".join(_ports(container)),
        container.name,
    )


def _status(container: Container) -> str:
    if container.status == "running":
        return f"Up {_ago(container.started)}"
    if container.status == "exited":
        return f"Exited ({container.exit_code}) {_ago(container.finished)} ago"
    return container.status.capitalize()


def _ago(moment: str) -> str:
    try:
        seconds = time.time() - datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return "some time"
    return age(seconds)


def _ports(container: Container) -> Iterator[str]:
    attached = Fields(dict(container.attachment or {}), "attachment")
    for port in attached.each("published", Fields):
        address = port.optional_text("hostIP") or "0.0.0.0"  # noqa: S104 - how docker shows every address
        yield f"{address}:{port.integer('hostPort')}->{port.integer('containerPort')}/{port.text('protocol')}"
