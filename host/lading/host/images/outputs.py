"""Where images are written beside the store: layouts, archives, a stream; or the files of one, in a folder or a tar."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal

from lading.host.images.plain_files import write_folder, write_tree
from lading.store.archives.writer import Sink
from lading.store.errors import InputError, UsageError
from lading.store.exchange import layouts
from lading.store.exchange.export import Form, Saved, to_file, write_archive
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor, Platform
from lading.store.oci.documents import Manifest
from lading.store.oci.platform_choice import choose
from lading.store.oci.platforms import host_platform
from lading.store.progress import QUIET, Progress, Task
from lading.store.store import Store
from lading.store.system.patterns import pattern

NamedImage = tuple[Descriptor, Sequence[str]]
"""An image, and the full names that it is written under."""

OutputKind = Literal["oci", "oci-archive", "docker-archive", "archive", "local", "tar"]
"""``archive`` is what docker writes since 25: a layout that its older versions and podman read as theirs, too.

``local`` and ``tar`` are the files of the image alone.
"""

_FOLDER: Final = pattern(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,255}")
_TRANSPORTS: Final[dict[str, OutputKind]] = {
    "oci": "oci",
    "oci-archive": "oci-archive",
    "docker-archive": "docker-archive",
}


@dataclass(frozen=True, slots=True)
class ImageOutput:
    """A place and its form; `sink` is written to where there is no place, as with ``-o -``."""

    kind: OutputKind
    path: Path
    name: str | None = None
    sink: Sink | None = None
    split: bool | None = None
    """Whether the files are in a folder of the platform's name; left out: those of several platforms are."""

    def write(self, store: Store, descriptor: Descriptor, names: Sequence[str], *, evidence: bool = False) -> None:
        """Writes an image there: whole, or not at all. Raises `MachineError`."""
        self.write_all(store, [(descriptor, tuple(names))], evidence=evidence)

    def write_all(
        self, store: Store, images: Sequence[NamedImage], *, evidence: bool = False, progress: Progress = QUIET
    ) -> None:
        """As `write`, several images; into a layout one after another."""
        if self.name and len(images) > 1:
            raise UsageError(f"{self.name} could be the name of any of {len(images)} images")
        named = [(descriptor, (self.name,) if self.name else names) for descriptor, names in images]
        if self.kind == "local":
            for folder, manifest in images_by_folder(store, named[0][0], split=self.split).items():
                write_folder(store, manifest, self.path / folder, progress)
            return
        task = progress.task(str(self.path))
        if self.kind != "oci":
            self._stream(lambda sink: self._write(store, named, _seen(sink, task), evidence=evidence))
        else:
            for descriptor, names in named:
                layouts.write_layout(store, descriptor, self.path, names, evidence=evidence)
                task.advance(1)
        task.done()

    def _write(self, store: Store, images: Sequence[NamedImage], sink: Sink, *, evidence: bool) -> None:
        if self.kind == "tar":
            write_tree(store, images_by_folder(store, images[0][0], split=self.split), sink)
        else:
            write_stream(store, images, sink, self.kind, evidence=evidence)

    def _stream(self, write: Callable[[Sink], None]) -> None:
        if self.sink:
            write(self.sink)
        else:
            to_file(self.path, write)


def _seen(sink: Sink, task: Task) -> Sink:
    def write(data: bytes) -> None:
        sink(data)
        task.advance(len(data))

    return write


def write_stream(
    store: Store, images: Sequence[NamedImage], sink: Sink, kind: OutputKind, *, evidence: bool = False
) -> None:
    """Writes an archive of images piece by piece."""
    forms: dict[OutputKind, Form] = {"oci-archive": "oci", "docker-archive": "docker", "archive": "both"}
    saved = [Saved(descriptor, tuple(names), _shown(store, descriptor)) for descriptor, names in images]
    write_archive(store, saved, sink, forms[kind], evidence=evidence)


def images_by_folder(store: Store, descriptor: Descriptor, *, split: bool | None) -> dict[str, Manifest]:
    """An image under "", or where that is wanted, and for the images of an index, under its platform's name."""
    document = store.document(descriptor)
    if isinstance(document, Manifest):
        platform = store.config(document).platform
        return {_folder(platform) if split else "": document}
    found: dict[str, Manifest] = {}
    for child in document.manifests:
        if child.platform and store.blobs.size(child.digest) is not None:
            image = store.document(child)
            if isinstance(image, Manifest):
                found[_folder(child.platform)] = image
    if not found:
        raise InputError(f"{descriptor.digest}: no image of it is here")
    return found


def _folder(platform: Platform) -> str:
    """As buildx calls the folder of a platform. Raises `InputError` for what could lead elsewhere."""
    name = str(platform).replace("/", "_")
    if not _FOLDER.fullmatch(name):
        raise InputError(f"platform {platform}: not a name for a folder")
    return name


def _shown(store: Store, descriptor: Descriptor) -> Manifest | None:
    """What of an index docker's older readers are shown: the image for this machine, else the first that is here."""
    document = store.document(descriptor)
    if isinstance(document, Manifest):
        return document
    here = [child for child in document.manifests if store.blobs.size(child.digest) is not None]
    child = choose(here, host_platform()) or next(iter(here), None)
    found = store.document(child) if child else None
    return found if isinstance(found, Manifest) else None


def destination(output: str, format_: str | None) -> ImageOutput:
    """Where ``-o`` says, a file where no transport stands before it, in the form that podman's ``--format`` names."""
    transport = output.partition(":")[0]
    if transport in _TRANSPORTS and ":" in output:
        if format_:
            raise UsageError(f"format {format_}: {transport}: says it already", option="format")
        return parse_output(output)
    return ImageOutput(form_of(format_), Path(os.path.abspath(output)))


def form_of(format_: str | None) -> OutputKind:
    """The form that podman's ``--format`` names. Raises `UsageError`."""
    known: dict[str | None, OutputKind] = {
        None: "archive",
        "docker-archive": "docker-archive",
        "oci-archive": "oci-archive",
        "oci-dir": "oci",
    }
    if format_ not in known:
        raise UsageError(f"format {format_}: expected docker-archive, oci-archive or oci-dir", option="format")
    return known[format_]


def parse_output(text: str) -> ImageOutput:
    """``TRANSPORT:PATH[:NAME]`` as skopeo has it. Raises `UsageError`."""
    kind, colon, rest = text.partition(":")
    if kind not in _TRANSPORTS or not colon or not rest:
        raise UsageError(f"output {text}: expected oci:DIR, oci-archive:FILE or docker-archive:FILE", option="output")
    path, _, name = rest.partition(":")
    return ImageOutput(_TRANSPORTS[kind], Path(os.path.abspath(path)), name or None)
