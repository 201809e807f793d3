"""`lading container prune`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from lading.cli.calls.amounts import before, confirm
from lading.cli.cli_session import CliSession
from lading.cli.display.containers import labels
from lading.cli.display.filters import LABELS, Filters, filters, labels_pass
from lading.host.upkeep.pruning import prune_containers
from lading.runtime.containers.logs import seconds

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import Force, Only

WHAT: Final = "containers that ended"


def container_prune(ctx: typer.Context, filter_: Only = None, force: Force = False) -> None:
    """Remove containers that ended.

    `--filter until=7d` takes those that were made before, `label=NAME[=VALUE]` those with a label,
    `label!=NAME[=VALUE]` those without it.
    """
    session = CliSession.of(ctx)
    wanted = filters(filter_, LABELS | {"until"})
    moment = before(wanted, time.time())
    if confirm(session, [WHAT], force=force):
        remove(session, wanted, moment)


def remove(session: CliSession, wanted: Filters, moment: float | None) -> None:
    """Removes those that the filters let through and that were made before `moment`, and says which."""
    removed = prune_containers(
        session.host,
        lambda found: labels_pass(labels(found), wanted) and (moment is None or seconds(found.created) < moment),
    )
    for container in removed:
        session.output.result(f"Deleted container: {container}")
