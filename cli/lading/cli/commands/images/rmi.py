"""`lading rmi`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from lading.cli.calls.option_values import each, short
from lading.cli.cli_session import CliSession
from lading.cli.display.output import size
from lading.host.images.images import NoSuchImageError

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import ImagesArgument


def rmi(
    ctx: typer.Context,
    images: ImagesArgument,
    force: Annotated[bool, typer.Option("-f", "--force", help="Whatever other names or containers it has")] = False,
) -> None:
    """Remove images.

    A name is taken away, and with the last one what is the image's own: layers, unpacked trees, signatures and
    attestations. What the build cache holds stays: `lading builder prune` removes that.
    """
    session = CliSession.of(ctx)

    def one(text: str) -> None:
        try:
            names, collected = session.host.images.remove(text, force=force)
        except NoSuchImageError as error:
            if not force:
                raise
            session.output.error(error)
            return
        for name in names:
            session.output.result(f"Untagged: {short(name)}")
        for digest in collected.blobs:
            session.output.result(f"Deleted: {digest}")
        if collected.deferred:
            session.output.note("other work is writing to the store: what is the image's own goes when that has ended")
        elif collected.size:
            session.output.note(f"{size(collected.size)} freed")

    each(session, images, one)
