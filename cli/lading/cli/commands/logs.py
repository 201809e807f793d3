"""`lading logs`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from lading.cli.common import Container
from lading.cli.session import Session
from lading.store.errors import UsageError


def logs(
    ctx: typer.Context,
    container: Container,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until it ends")] = False,
    tail: Annotated[str, typer.Option("-n", "--tail", metavar="N|all", help="Only the last lines")] = "all",
    since: Annotated[str | None, typer.Option(metavar="TIME", help="A time, or how long ago: 10m, 2h")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Likewise, up to then")] = None,
    timestamps: Annotated[bool, typer.Option("-t", "--timestamps", help="With the time of each line")] = False,
) -> None:
    """Show what a container wrote.

    What it wrote to its standard error goes to standard error.
    """
    if tail != "all" and not (tail.isascii() and tail.isdigit() and len(tail) < 19):
        raise UsageError(f"--tail {tail}: expected a number, or all")
    count = None if tail == "all" else int(tail)
    last = sys.stdout.buffer
    for line in Session.of(ctx).host.runtime.logs(container, follow=follow, tail=count, since=since, until=until):
        stream = sys.stdout.buffer if line.stream == "stdout" else sys.stderr.buffer
        if stream is not last:
            last.flush()
            last = stream
        stream.write(f"{line.time} ".encode() + line.text if timestamps else line.text)
        if follow:
            stream.flush()
