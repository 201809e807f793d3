"""`lading unpack`."""

from __future__ import annotations

from typing import Annotated

import typer

from lading.cli.common import Images, ProgressForm
from lading.cli.endings import ended_by_signals
from lading.cli.progress import Form
from lading.cli.session import Session
from lading.store.kernel import private_mounts
from lading.store.unpacking import repair
from lading.store.unpacking import unpack as unpack_image


def unpack(
    ctx: typer.Context,
    images: Images,
    force: Annotated[bool, typer.Option("--force", help="Anew, from verified blobs, whatever is there")] = False,
    progress: ProgressForm = Form.auto,
) -> None:
    """Unpack an image ahead of its first run, or anew."""
    session = Session.of(ctx)
    session.progress = progress
    private_mounts()
    store = session.host.store
    for text in images:
        manifest = session.host.images.target(session.host.images.get(text)).manifest
        work = repair if force else unpack_image
        with ended_by_signals(), store.writing():
            top = work(store.snapshots, store.blobs, manifest, store.config(manifest), session.host.progress)
        session.output.result(top or "no layers")
