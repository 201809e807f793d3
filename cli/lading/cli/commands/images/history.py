"""`lading history`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Final

from lading.cli.cli_session import CliSession
from lading.cli.display.listing import check_format, show_list
from lading.cli.display.output import since, size
from lading.store.fastclass import replace
from lading.store.oci.documents import History, ImageConfig, Manifest
from lading.store.oci.platforms import parse_platform

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import ListFormat, Quiet
    from lading.store.oci.descriptors import Descriptor
    from lading.store.store import Store

_HEADS: Final = {
    "ID": "IMAGE",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "CreatedBy": "CREATED BY",
    "Size": "SIZE",
    "Comment": "COMMENT",
}
_CUT: Final = 45


def history(
    ctx: typer.Context,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="Name, digest or ID of an image")],
    quiet: Quiet = False,
    no_trunc: Annotated[bool, typer.Option("--no-trunc", help="Whole IDs and instructions")] = False,
    human: Annotated[
        bool,
        typer.Option("-H", "--human/--no-human", show_default=False, help="Sizes and times for people, or as numbers"),
    ] = True,
    platform: Annotated[str | None, typer.Option(metavar="OS/ARCH[/VARIANT]", help="Not this machine's own")] = None,
    format_: ListFormat = "table",
) -> None:
    """Show how an image was made, layer by layer.

    The newest step first; sizes are those of the layers as they travel, compressed.
    """
    session = CliSession.of(ctx)
    check_format(format_)
    images = session.host.images
    located = images.get(image)
    target = images.target(located, parse_platform(platform) if platform else None)
    own = located.descriptor.digest
    name = str(own) if no_trunc else own.short
    steps = list(_steps(target.manifest, session.host.store.config(target.manifest)))
    when = _times(session.host.store, target.subjects, [step.created for step, _ in steps])
    names = [name, *("<missing>" for _ in steps[1:])]
    if quiet and format_ == "table":
        for shown in names:
            session.output.result(shown)
        return
    rows = [
        _row(shown, replace(step, created=when[step.created]), count, whole=no_trunc, human=human)
        for shown, (step, count) in zip(names, steps, strict=False)
    ]
    columns = ("ID", "CreatedSince" if human else "CreatedAt", "CreatedBy", "Size", "Comment")
    show_list(session.output, format_, rows, _HEADS, columns, () if no_trunc else ("CreatedBy",))


def _times(store: Store, subjects: tuple[Descriptor, ...], told: Iterable[str | None]) -> dict[str | None, str | None]:
    """What to show for each time: as `images` does, where it is the constant one of a reproducible build."""
    from lading.host.images.build_times import built  # noqa: PLC0415

    return {created: created and built(store, created, subjects) for created in set(told)}


def _steps(manifest: Manifest, config: ImageConfig) -> Iterator[tuple[History, int]]:
    """Each step and the bytes of its layer, the newest first; a layer that no step speaks of has an empty one."""
    sizes = [layer.size for layer in manifest.layers]
    steps = list(config.history)
    steps += [History()] * (len(sizes) - sum(not step.empty_layer for step in steps))
    for step in reversed(steps):
        yield step, sizes.pop() if not step.empty_layer and sizes else 0


def _row(name: str, step: History, count: int, *, whole: bool, human: bool) -> dict[str, object]:
    words = (step.created_by or "").replace("\t", " ")
    return {
        "ID": name,
        "CreatedSince": since(step.created),
        "CreatedAt": step.created or "",
        "CreatedBy": words if whole or len(words) <= _CUT else f"{words[: _CUT - 1]}…",
        "Size": size(count) if human else str(count),
        "Comment": step.comment or "",
    }
