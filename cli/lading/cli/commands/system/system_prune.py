"""`lading system prune`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

from lading.cli.calls.amounts import before, confirm, say_total
from lading.cli.cli_session import CliSession
from lading.cli.commands.containers import container_prune
from lading.cli.commands.system import builder_prune, image_prune
from lading.cli.display.filters import LABELS, filters
from lading.host.upkeep import pruning
from lading.store.errors import UsageError

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import Force, Only


def system_prune(
    ctx: typer.Context,
    all_: Annotated[bool, typer.Option("-a", "--all", help="Every unused image, and all of the build cache")] = False,
    volumes: Annotated[bool, typer.Option("--volumes", help="And anonymous volumes that no container has")] = False,
    filter_: Only = None,
    force: Force = False,
) -> None:
    """Remove containers that ended, images that nothing uses, and build cache."""
    session = CliSession.of(ctx)
    wanted = filters(filter_, LABELS | {"until"})
    if volumes and wanted:
        raise UsageError("--filter does not go with --volumes: a volume has neither an age nor labels")
    moment = before(wanted, time.time())
    images = image_prune.which(wanted)
    steps = [container_prune.WHAT, image_prune.what(all_), builder_prune.what(all_)]
    if not confirm(session, [*steps, *(["anonymous volumes that no container has"] if volumes else [])], force=force):
        return
    container_prune.remove(session, wanted, moment)
    for name in pruning.prune_volumes(session.host) if volumes else ():
        session.output.result(f"Deleted volume: {name}")
    freed = image_prune.report(session, pruning.prune_images(session.host, every=all_, chosen=images))
    if not LABELS & wanted.keys():
        freed += builder_prune.report(session, pruning.prune_cache(session.host, every=all_, before=moment))
    say_total(session, freed)
