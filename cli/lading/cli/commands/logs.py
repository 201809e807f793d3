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
    timestamps: Annotated[bool, typer.Option("-t", "--timestamps", help="With the time of each line")] = False,
) -> None:
    """Show what a container wrote.

    What it wrote to its standard error goes to standard error.
    """
    if tail != "all" and not (tail.isascii() and tail.isdigit() and len(tail) < 19):
        raise UsageError(f"--tail {tail}: expected a number, or all")
    count = None if tail == "all" else int(tail)
    for line in Session.of(ctx).host.runtime.logs(container, follow=follow, tail=count, since=since):
        stream = sys.stdout if line.stream == "stdout" else sys.stderr
        if timestamps:
            stream.buffer.write(f"{line.time} ".encode())
        stream.buffer.write(line.text)
        stream.flush()
