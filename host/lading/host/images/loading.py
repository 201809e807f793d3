"""Images from a file: an OCI layout as a folder or an archive, or docker's archive."""

from __future__ import annotations

import os
from pathlib import Path

from lading.registry.reference import InvalidReferenceError, Reference
from lading.store.errors import InputError, Remedy
from lading.store.exchange import layouts
from lading.store.exchange.ingest import Loaded as Found
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor
from lading.store.progress import QUIET, Progress
from lading.store.store import Store


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """An image, and the full name that it has now, "" where the archive gives it none."""

    name: str
    descriptor: Descriptor


def load(store: Store, source: str, name: str | None = None, progress: Progress = QUIET) -> list[LoadedImage]:
    """Reads the images at `source`, ``oci:DIR``, a file or ``-`` for standard input, and names them once all are there.

    The names are those in it, or `name` where it holds one image. Nothing is judged here. Raises `InputError`,
    `DocumentError`.
    """
    with store.writing():
        loaded = _named(_read(store, source, progress), source, name)
        with store.index.transaction():
            for image in loaded:
                if image.name:
                    store.tag(image.name, image.descriptor)
                store.keep(image.descriptor)
    return loaded


def _read(store: Store, source: str, progress: Progress) -> list[Found]:
    if source == "-":
        return layouts.read_archive(store, 0, progress)
    kind, colon, rest = source.partition(":")
    path = Path(os.path.abspath(rest if colon and kind in ("oci", "oci-archive", "docker-archive") else source))
    if (kind == "oci" and colon) or path.is_dir():
        return layouts.read_layout(store, path, progress)
    if kind == "oci-archive" and colon:
        return layouts.read_oci_archive(store, path, progress)
    if kind == "docker-archive" and colon:
        return layouts.read_docker_archive(store, path, progress)
    return layouts.read_archive(store, path, progress)


def _named(found: list[Found], source: str, name: str | None) -> list[LoadedImage]:
    if name is not None:
        if len(found) != 1:
            raise InputError(f"{source}: holds {len(found)} images, so that tag {name} could mean any", option="tag")
        found = [((name,), found[0][1])]
    if not found:
        raise InputError(f"{source}: holds no image")
    return [
        LoadedImage(_full(text, source) if text else "", descriptor)
        for names, descriptor in found
        for text in names or ("",)
    ]


def _full(text: str, source: str) -> str:
    try:
        reference = Reference.parse(text)
    except InvalidReferenceError as error:
        raise InputError(f"{source}: an image's name in it cannot be used: {error.message}", hint=error.hint) from None
    if reference.digest is not None:
        raise InputError(
            f"{source}: {text!r}: a name cannot have a digest", hint=Remedy("name otherwise", "give another name")
        )
    return reference.name
