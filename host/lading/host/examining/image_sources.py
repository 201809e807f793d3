"""Images to be read from wherever they lie: the local store, a registry, an OCI layout. Nothing is pulled."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lading.inventory.trees.image_tree import OpenedImage
from lading.registry.reference import Reference
from lading.store.content.blobs import Source, read_blob
from lading.store.errors import DocumentError
from lading.store.oci.documents import Index, Manifest, parse_config
from lading.store.oci.platform_choice import child_for
from lading.store.oci.platforms import host_platform

if TYPE_CHECKING:
    from lading.host.host import Host
    from lading.store.oci.descriptors import Descriptor, Platform


class _Place(Protocol):
    @property
    def blobs(self) -> Source: ...
    def document(self, wanted: Descriptor) -> Manifest | Index: ...


@contextmanager
def opened_images(
    host: Host, texts: tuple[str, ...], platform: Platform | None = None
) -> Generator[tuple[OpenedImage, ...], None, None]:
    """Images by name, digest or ID, those that are not here at their registry, or ``oci:DIR[:NAME]``.

    Of an index the one for `platform`. Nothing of them is collected meanwhile. Raises `InputError`, `DocumentError`,
    `RegistryError`.
    """
    with host.store.writing():
        yield tuple(_opened(host, text, platform) for text in texts)


def _opened(host: Host, text: str, platform: Platform | None) -> OpenedImage:
    place, descriptor = _found(host, text)
    document = place.document(descriptor)
    if isinstance(document, Index):
        document = place.document(child_for(document, platform or host_platform(), text))
    if not isinstance(document, Manifest):
        raise DocumentError(f"{text}: an index within an index")
    if not document.is_image:
        raise DocumentError(f"{text}: holds no image, but a {document.config.media_type}")
    config = parse_config(read_blob(place.blobs, document.config.digest), f"{text}: config")
    return OpenedImage(text, document, config, place.blobs, host.store.limits)


def _found(host: Host, text: str) -> tuple[_Place, Descriptor]:
    if text.startswith("oci:"):
        from lading.store.exchange.layout_source import LayoutSource  # noqa: PLC0415

        folder, _, name = text.removeprefix("oci:").partition(":")
        layout = LayoutSource(Path(folder))
        return layout, layout.image(name)
    located = host.images.find(text)
    if located is not None:
        return host.store, located.descriptor
    from lading.host.images.transfers import fetching  # noqa: PLC0415
    from lading.registry.transfer.registry_source import RegistrySource  # noqa: PLC0415

    with fetching(text, here=False):
        source = RegistrySource(host.client, Reference.parse(text))
        return source, source.image()
