"""`lading image prune`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from lading.cli.calls.amounts import before, confirm, say_total
from lading.cli.calls.option_values import boolean, short
from lading.cli.cli_session import CliSession
from lading.cli.display.filters import LABELS, Filters, filters, labels_pass
from lading.host.images.images import Listed
from lading.host.upkeep.pruning import PrunedImages, prune_images

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import Force, Only

_FILTERS = LABELS | {"dangling", "until"}


def image_prune(
    ctx: typer.Context,
    all_: Annotated[bool, typer.Option("-a", "--all", help="Every image that no container uses")] = False,
    filter_: Only = None,
    force: Force = False,
) -> None:
    """Remove images that have no name and no container.

    `--filter until=7d` takes those that came here before, `label=NAME[=VALUE]` those with a label,
    `label!=NAME[=VALUE]` those without it.
    """
    session = CliSession.of(ctx)
    wanted = filters(filter_, _FILTERS)
    chosen = which(wanted)
    every = all_ or any(boolean(text, "--filter dangling") is False for text in wanted.get("dangling", ()))
    if confirm(session, [what(every)], force=force):
        say_total(session, report(session, prune_images(session.host, every=every, chosen=chosen)))


def what(every: bool) -> str:
    """In words."""
    return "every image that no container uses" if every else "images that have no name and no container"


def which(wanted: Filters) -> Callable[[Listed], bool]:
    """The images that the filters let through. Raises `UsageError`."""
    moment = before(wanted, time.time())
    return lambda row: labels_pass(row.labels, wanted) and (moment is None or row.arrived < moment)


def report(session: CliSession, pruned: PrunedImages) -> int:
    """Says what went; the bytes that were freed."""
    for name in pruned.names:
        session.output.result(f"Untagged: {short(name)}")
    for digest in pruned.digests:
        session.output.result(f"Deleted: {digest}")
    if pruned.collected.deferred:
        session.output.note("other work is writing to the store: the content goes when that has ended")
    return pruned.collected.size
