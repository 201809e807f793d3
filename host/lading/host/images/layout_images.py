"""Images of OCI layouts as bases of a build: taken into the store under no name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from lading.host.images.images import ResolvedImage
from lading.store.errors import InputError

if TYPE_CHECKING:
    from lading.store.store import Store

LAYOUT: Final = "oci-layout://"
"""Begins the name of an image in a layout: ``oci-layout://FOLDER[:TAG][@DIGEST]``."""
_LATEST: Final = "latest"


def in_layout(store: Store, name: str) -> ResolvedImage:
    """The image `name` with its evidence, under no name. Raises `InputError`, `DocumentError`."""
    from lading.store.exchange import layouts  # noqa: PLC0415 - most builds name none

    place, _, digest = name.removeprefix(LAYOUT).partition("@")
    folder, _, tag = place.partition(":")
    if not Path(folder).is_dir():
        raise InputError(f"{folder}: not a folder", option="build-context")
    images = layouts.read_layout(store, Path(folder))
    if digest:
        found = [image for _, image in images if str(image.digest) == digest]
    else:
        found = [image for names, image in images if any(_is_called(one, tag or _LATEST) for one in names)]
        if not tag and not found and len(images) == 1:
            found = [images[0][1]]
    if len(found) != 1:
        known = ", ".join(sorted({one for names, _ in images for one in names}))
        wanted = digest or tag or _LATEST
        raise InputError(f"{folder}: holds {len(found)} images {wanted}", hint=f"its names: {known}" if known else None)
    return ResolvedImage(found[0], (), ())


def _is_called(name: str, tag: str) -> bool:
    return name == tag or name.rpartition("/")[2].endswith(f":{tag}")
