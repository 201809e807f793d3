"""Images between this machine and files: layouts and archives, written and read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lading.host.images.images import Images
from lading.store.errors import InputError
from lading.store.fastclass import dataclass
from lading.store.progress import QUIET, Progress

if TYPE_CHECKING:
    from lading.host.images.loading import LoadedImage
    from lading.host.images.outputs import ImageOutput, OutputKind
    from lading.store.archives.compression import Compression
    from lading.store.archives.writer import Sink
    from lading.store.oci.descriptors import Descriptor
    from lading.store.store import Store


def compressed(store: Store, descriptor: Descriptor, compression: Compression | None, progress: Progress) -> Descriptor:
    """An image whose layers are compressed so, the image itself where they are: call within `Store.writing`."""
    from lading.store.exchange.convert import convert  # noqa: PLC0415 - brings the compressors

    return convert(store, descriptor, compression, progress) if compression else descriptor


def _pass(error: InputError) -> None:
    del error


@dataclass(frozen=True, slots=True)
class SavedImage:
    """An image that was written, the one that it is made from, and its own full names."""

    descriptor: Descriptor
    source: Descriptor
    names: tuple[str, ...]


class ImageArchives:
    """Saves and loads."""

    def __init__(self, images: Images, progress: Progress) -> None:
        self._images = images
        self._progress = progress

    def load(self, source: str, name: str | None = None) -> list[LoadedImage]:
        """As `lading.host.images.loading.load`."""
        from lading.host.images.loading import load  # noqa: PLC0415

        return load(self._images.store, source, name, self._progress)

    def save(
        self,
        texts: Sequence[str],
        output: ImageOutput | tuple[Sink, OutputKind],
        *,
        compression: Compression | None = None,
        evidence: bool = False,
        missing: Callable[[InputError], None] = _pass,
        progress: Progress = QUIET,
    ) -> list[SavedImage]:
        """Writes images to a file or folder, or as an archive piece by piece: all of them, or nothing.

        With another `compression` of its layers each is another image, of which no evidence speaks. Every image that
        is not here is told to `missing` but the last, which is raised. `progress` sees what is written to a file.
        Raises `InputError`, `MachineError`.
        """
        from lading.host.images.outputs import write_stream  # noqa: PLC0415

        found, store = self._all(texts, missing), self._images.store
        with store.writing():
            images = [
                SavedImage(compressed(store, source, compression, self._progress), source, names)
                for source, names in found
            ]
            named = [(image.descriptor, image.names) for image in images]
            if isinstance(output, tuple):
                sink, kind = output
                write_stream(store, named, sink, kind, evidence=evidence)
            else:
                output.write_all(store, named, evidence=evidence, progress=progress)
        return images

    def _all(
        self, texts: Sequence[str], missing: Callable[[InputError], None]
    ) -> list[tuple[Descriptor, tuple[str, ...]]]:
        """Every image, once, under the names it was given by."""
        found: dict[Descriptor, dict[str, None]] = {}
        errors: list[InputError] = []
        for text in texts:
            try:
                located = self._images.get(text)
                found.setdefault(located.descriptor, {}).update(dict.fromkeys(located.own))
            except InputError as error:
                errors.append(error)
        for other in errors[:-1]:
            missing(other)
        if errors:
            raise errors[-1]
        return [(descriptor, tuple(names)) for descriptor, names in found.items()]
