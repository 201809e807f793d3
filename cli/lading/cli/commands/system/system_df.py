"""`lading system df`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Final

from lading.cli.calls.option_values import short
from lading.cli.cli_session import CliSession
from lading.cli.commands.system.builder_prune import shown
from lading.cli.display.containers import status
from lading.cli.display.listing import ListRow, check_format, show_list
from lading.cli.display.output import age, size
from lading.host.upkeep.usage import Summary, Usage, usage
from lading.store.errors import UsageError

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import ListFormat

_HEADS: Final = {
    "Type": "TYPE",
    "TotalCount": "TOTAL",
    "Active": "ACTIVE",
    "Size": "SIZE",
    "Reclaimable": "RECLAIMABLE",
}
_IMAGES: Final = ("Name", "ID", "Size", "SharedSize", "UniqueSize", "Containers")
_CONTAINERS: Final = ("ID", "Image", "Status", "Names", "Size")
_VOLUMES: Final = ("Name", "Links", "Size")
_CACHE: Final = ("ID", "CacheType", "Size", "LastUsedSince", "Shared")


def system_df(
    ctx: typer.Context,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Each image, container, volume and entry")] = False,
    format_: ListFormat = "table",
) -> None:
    """Show what takes room on the disk."""
    session = CliSession.of(ctx)
    check_format(format_)
    if verbose and format_ not in ("table", "json"):
        raise UsageError("-v is shown as a table or as JSON, not by a template")
    found = usage(session.host)
    if not verbose:
        show_list(session.output, format_, map(_summary, found.summaries), _HEADS, tuple(_HEADS))
    elif format_ == "json":
        import json  # noqa: PLC0415

        session.output.result(json.dumps({title: list(rows) for title, rows, _ in _details(found)}))
    else:
        for title, rows, columns in _details(found):
            session.output.result(f"{title}:")
            show_list(session.output, "table", rows, {name: _head(name) for name in columns}, columns, columns[:1])
            session.output.result("")


def _summary(found: Summary) -> ListRow:
    share = f" ({100 * found.reclaimable // found.size}%)" if found.size else ""
    return {
        "Type": found.kind,
        "TotalCount": str(found.total),
        "Active": str(found.active),
        "Size": size(found.size),
        "Reclaimable": f"{size(found.reclaimable)}{share}",
    }


def _head(name: str) -> str:
    return "".join(
        f" {letter}" if letter.isupper() and at and name != "ID" else letter for at, letter in enumerate(name)
    ).upper()


def _details(found: Usage) -> Iterator[tuple[str, Iterable[ListRow], tuple[str, ...]]]:
    now = time.time()
    images = (
        {
            "Name": short(use.listed.name) if use.listed.name else "<none>",
            "ID": use.listed.descriptor.digest.short,
            "Size": size(use.size),
            "SharedSize": size(use.shared),
            "UniqueSize": size(use.size - use.shared),
            "Containers": str(use.containers),
        }
        for use in found.images
    )
    containers = (
        {
            "ID": use.container.short,
            "Image": use.container.image,
            "Status": status(use.container),
            "Names": use.container.name,
            "Size": size(use.size),
        }
        for use in found.containers
    )
    volumes = ({"Name": use.name, "Links": str(use.links), "Size": size(use.size)} for use in found.volumes)
    cache = (
        {
            "ID": shown(entry),
            "CacheType": entry.kind,
            "Size": size(entry.size),
            "LastUsedSince": f"{age(now - entry.used)} ago",
            "Shared": str(entry.shared).lower(),
        }
        for entry in reversed(found.cache)
    )
    yield "Images", images, _IMAGES
    yield "Containers", containers, _CONTAINERS
    yield "Volumes", volumes, _VOLUMES
    yield "BuildCache", cache, _CACHE
