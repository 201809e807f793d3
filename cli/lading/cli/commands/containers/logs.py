"""`lading logs`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from lading.cli.cli_session import CliSession
from lading.cli.endings import EndedError
from lading.store.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import typer

    from lading.cli.calls.shared_options import ContainerArgument
    from lading.runtime.containers.logs import LogLine


def logs(
    ctx: typer.Context,
    container: ContainerArgument,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until it ends")] = False,
    tail: Annotated[str, typer.Option("-n", "--tail", metavar="N|all", help="Only the last lines")] = "all",
    since: Annotated[str | None, typer.Option(metavar="TIME", help="A time, or how long ago: 10m, 2h")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Likewise, up to then")] = None,
    timestamps: Annotated[bool, typer.Option("-t", "--timestamps", help="With the time of each line")] = False,
) -> None:
    """Show what a container wrote.

    What it wrote to its standard error goes to standard error.
    """
    try:
        _write(
            CliSession.of(ctx).host.runtime.logs(container, follow=follow, tail=_count(tail), since=since, until=until),
            timestamps=timestamps,
            flush=follow,
        )
    except KeyboardInterrupt:  # the way to end it
        raise EndedError(130) from None


def _write(lines: Iterable[LogLine], *, timestamps: bool, flush: bool) -> None:
    last, begun = sys.stdout.buffer, set[str]()
    for line in lines:
        stream = sys.stdout.buffer if line.stream == "stdout" else sys.stderr.buffer
        if stream is not last:
            last.flush()
            last = stream
        if timestamps and line.stream not in begun:
            stream.write(f"{line.time} ".encode())
        begun = begun - {line.stream} if line.text.endswith(b"\n") else begun | {line.stream}
        stream.write(line.text)
        if flush:
            stream.flush()


def _count(tail: str) -> int | None:
    """How many lines; None for all of them, which a number below zero means too. Raises `UsageError`."""
    digits = tail.removeprefix("-")
    if tail != "all" and not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise UsageError(f"--tail {tail}: expected a number, or all")
    return int(tail) if tail == digits != "all" else None
