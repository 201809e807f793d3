"""`lading ps`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from lading.cli.cli_session import CliSession
from lading.cli.display.filters import filters
from lading.cli.display.listing import check_format, show_list
from lading.store.errors import UsageError

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import Filter, ListFormat, Quiet


def ps(
    ctx: typer.Context,
    all_: Annotated[bool, typer.Option("-a", "--all", help="And those that ended")] = False,
    filter_: Filter = None,
    last: Annotated[
        int, typer.Option("-n", "--last", metavar="N", show_default=False, help="The N newest, ended or not")
    ] = -1,
    latest: Annotated[bool, typer.Option("-l", "--latest", help="The newest, ended or not")] = False,
    quiet: Quiet = False,
    size: Annotated[bool, typer.Option("-s", "--size", help="And how much each has written")] = False,
    no_trunc: Annotated[bool, typer.Option("--no-trunc", help="Whole IDs and commands")] = False,
    format_: ListFormat = "table",
) -> None:
    """List containers."""
    from lading.cli.display.containers import FILTERS, HEADS, Shown, matching  # noqa: PLC0415

    session = CliSession.of(ctx)
    check_format(format_)
    wanted = filters(filter_, FILTERS)
    count = 1 if latest else last
    if count == 0 or count < -1:
        raise UsageError(f"--last {count}: expected a number from 1 on")
    every = all_ or count > 0 or "status" in wanted or "exited" in wanted
    found = session.host.runtime.list(every=every)
    kept = matching(found, wanted, session.host.runtime.list(every=True) if wanted else found)
    kept = kept[:count] if count > 0 else kept
    if quiet and format_ == "table":
        for container in kept:
            session.output.result(container.id if no_trunc else container.short)
        return
    size = size or (".Size" in format_)
    columns = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names", *(("Size",) if size else ()))
    rows = [Shown(container, session.host.store if size else None, whole=no_trunc).row() for container in kept]
    show_list(session.output, format_, rows, HEADS, columns, () if no_trunc else ("Command",))
