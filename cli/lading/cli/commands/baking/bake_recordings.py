"""`lading bake --network-record`, `--network-replay`: how what the steps of each target ask of the web is treated."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from lading.cli.commands.images.build import recording
from lading.store.errors import UsageError

if TYPE_CHECKING:
    from lading.build.graph.steps.network_recording import NetworkRecording
    from lading.cli.cli_session import CliSession


def recordings(
    session: CliSession, replayed: Iterable[str] | None, *, record: bool, targets: Collection[str]
) -> Mapping[str, NetworkRecording | None]:
    """That of each target: `replayed` has images, for all targets or ``TARGET=IMAGE``. Raises `UsageError`."""
    images: dict[str, str] = {}
    for word in replayed or ():
        name, equals, image = word.rpartition("=")
        if equals and name not in targets:
            raise UsageError(f"--network-replay {word}: no target {name!r} is built")
        if name in images or not image:
            raise UsageError(f"--network-replay {word}: expected one image, or one for each TARGET=")
        images[name] = image
    found = {image: recording(session, image, record=record) for image in dict.fromkeys((*images.values(), None))}
    return {target: found[images.get(target, images.get(""))] for target in targets}
