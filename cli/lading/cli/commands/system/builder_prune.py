"""`lading builder prune`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

from lading.build.solver.cache_trimming import CacheEntry, Trimmed
from lading.cli.calls.amounts import before, confirm, say_total
from lading.cli.cli_session import CliSession
from lading.cli.display.filters import filters
from lading.cli.display.output import age, size
from lading.cli.display.sizes import byte_count
from lading.host.upkeep.pruning import prune_cache

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import Force, Only


def builder_prune(
    ctx: typer.Context,
    all_: Annotated[bool, typer.Option("-a", "--all", help="And what an image here has")] = False,
    filter_: Only = None,
    max_used_space: Annotated[
        str | None,
        typer.Option(
            "--max-used-space", "--keep-storage", metavar="SIZE", help="Only until the rest fits, what is oldest first"
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Remove what the build cache holds.

    That is layers of steps, Debian package lists and packages, and what is remembered of contexts and signatures.
    `--filter until=36h` takes what was not used since.
    """
    session = CliSession.of(ctx)
    moment = before(filters(filter_, {"until"}), time.time())
    limit = None if max_used_space is None else byte_count(max_used_space, "--max-used-space")
    if confirm(session, [what(all_)], force=force):
        say_total(session, report(session, prune_cache(session.host, every=all_, before=moment, limit=limit)))


def what(every: bool) -> str:
    """In words."""
    return "all of the build cache" if every else "what of the build cache no image has"


def shown(entry: CacheEntry) -> str:
    """What it is known by: a digest's beginning, or of a context the whole folder."""
    return entry.key if entry.kind == "context" else entry.key[:12]


def report(session: CliSession, trimmed: Trimmed) -> int:
    """Says what went; the bytes that were freed."""
    rows = [
        (shown(entry), entry.kind, size(entry.size), f"{age(time.time() - entry.used)} ago")
        for entry in trimmed.entries
    ]
    if rows:
        session.output.table(("ID", "TYPE", "SIZE", "LAST USED"), rows)
    if trimmed.collected.deferred:
        session.output.note("other work is writing to the store: the content goes when that has ended")
    return trimmed.size
