"""Images between this machine and registries: pulled with their evidence, pushed with it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lading.host.images.image_archives import compressed
from lading.host.images.images import ALONE, Images, NoSuchImageError, ResolvedImage, is_digest
from lading.registry.reference import Reference
from lading.store.errors import InputError, RegistryError, Remedy
from lading.store.oci.platforms import host_platform
from lading.store.progress import Progress

if TYPE_CHECKING:
    from lading.host.images.outputs import ImageOutput
    from lading.registry.client.client import Client
    from lading.registry.transfer.pull import Pulled
    from lading.registry.transfer.push import Pushed
    from lading.store.archives.compression import Compression
    from lading.store.oci.descriptors import Descriptor, Platform


@contextmanager
def fetching(text: str, *, here: bool = True) -> Generator[None, None, None]:
    """A registry's errors in this block name the image as it was typed and as it was understood.

    Raises `NoSuchImageError` for a digest alone, of which no registry can be asked.
    """
    if is_digest(text):
        raise NoSuchImageError(f"{text}: a digest alone means an image that is here, and cannot be fetched", hint=ALONE)
    try:
        yield
    except RegistryError as error:
        reference = Reference.parse(text)
        cause = error.message.removeprefix(f"{reference.familiar}: ")
        fetched = "" if text == reference.name and not here else f"{reference.name} "
        known = "" if here else f"{text} is not here, and "
        error.reword(f"{known}{fetched}cannot be fetched: {cause}")
        raise


class Transfers:
    """Pulls and pushes; the client is asked for where a registry is."""

    def __init__(self, images: Images, client: Callable[[], Client], progress: Progress) -> None:
        self._images = images
        self._store = images.store
        self._client = client
        self._progress = progress

    def pull(self, text: str, *, platform: Platform | None = None, required: bool = True) -> Pulled:
        """Downloads an image with its evidence, and gives it the name. Raises `RegistryError`.

        Evidence that could not be listed is an error, or with `required` off a note.
        """
        with fetching(text):
            return self._pull(text, platform, name=True, required=required)

    def _pull(self, text: str, platform: Platform | None, *, name: bool, required: bool = True) -> Pulled:
        from lading.host.images import unlisted_evidence  # noqa: PLC0415
        from lading.registry.transfer.pull import pull  # noqa: PLC0415

        reference = Reference.parse(text)
        wanted = platform or host_platform()
        pulled = pull(
            self._client(), reference, self._store, wanted, progress=self._progress, name=name, required=required
        )
        unlisted_evidence.note(self._store, reference.name, complete=pulled.complete)
        return pulled

    def pull_beside(self, text: str, platform: Platform | None = None) -> ResolvedImage:
        """As `pull`, and a name that is taken still means what it meant, until `name` is called with the outcome.

        So a refused image never takes a name from a good one.
        """
        name = Reference.parse(text).name
        before = self._store.reference(name)
        with fetching(text, here=before is not None):
            pulled = self._pull(text, platform, name=before is None)
        same = before is not None and before.descriptor.digest == pulled.descriptor.digest
        return ResolvedImage(pulled.descriptor, (name,), (*(before.origins if before and same else ()), name))

    def name(self, image: ResolvedImage) -> None:
        """Gives an image its names, with its origins."""
        for name in image.names:
            self._store.tag(name, image.descriptor, image.origins)

    def push(self, text: str, to: str | None = None, *, compression: Compression | None = None) -> Pushed:
        """Uploads an image with its evidence, under its own name or another. Raises `RegistryError`.

        With another `compression` of its layers it is another image, of which no evidence speaks.
        """
        from lading.registry.transfer.push import push  # noqa: PLC0415

        located = self._images.get(text)
        if to is None and not located.own:
            hint = Remedy("name destination", "name where it goes", text)
            raise InputError(f"{text}: the image has no name", hint=hint)
        reference = Reference.parse(to or located.own[0])
        with self._store.writing():
            image = compressed(self._store, located.descriptor, compression, self._progress)
            return push(self._client(), reference, self._store, image, progress=self._progress)

    def push_layout(self, folder: Path, to: str, *, name: str = "") -> Pushed:
        """Uploads an image of an OCI layout with the evidence there, from where it lies: its only one, or `name`'s.

        Raises `InputError`, `DocumentError`, `RegistryError`.
        """
        from lading.registry.transfer.push import push  # noqa: PLC0415
        from lading.store.exchange.layout_source import LayoutSource  # noqa: PLC0415

        source = LayoutSource(folder)
        return push(self._client(), Reference.parse(to), source, source.image(name), progress=self._progress)

    def deliver(
        self, image: Descriptor, names: Sequence[str], *, outputs: Sequence[ImageOutput] = (), push: bool
    ) -> list[Pushed]:
        """Brings an image where it is wanted: to files and folders, then under each name to its registry."""
        for output in outputs:
            output.write(self._store, image, names)
        return [self.push(name) for name in names] if push else []
