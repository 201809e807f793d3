"""`lading unpack`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from lading.cli.calls.option_values import each
from lading.cli.cli_session import CliSession
from lading.cli.display.progress_display import ProgressKind
from lading.cli.endings import ended_by_signals
from lading.host.upkeep.unpack_images import unpack as unpack_image
from lading.store.system.syscalls import private_mounts

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import ImagesArgument, ProgressForm


def unpack(
    ctx: typer.Context,
    images: ImagesArgument,
    force: Annotated[bool, typer.Option("--force", help="Anew, from verified blobs, whatever is there")] = False,
    progress: ProgressForm = ProgressKind.auto,
) -> None:
    """Unpack an image ahead of its first run, or anew.

    With --force every layer is unpacked again from verified blobs, for all images that share it. What is printed is
    the chain ID of the layers, which the unpacked tree goes by.
    """
    session = CliSession.of(ctx)
    session.progress = progress
    private_mounts()

    def one(text: str) -> None:
        with ended_by_signals():
            top = unpack_image(session.host, text, anew=force)
        session.output.result(top or "no layers")

    each(session, images, one)
