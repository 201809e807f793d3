"""The base images of an earlier build, by the digests that its provenance records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lading.build.attest.recorded_build import OF_LAYOUT
from lading.host.images.layout_images import LAYOUT
from lading.registry.reference import Reference
from lading.store.content.blobs import copy_blob
from lading.store.errors import InputError, Remedy
from lading.store.fastclass import replace
from lading.store.oci.documents import Manifest
from lading.store.oci.platform_choice import matches
from lading.store.oci.platforms import parse_platform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lading.build.graph.request import BaseImage
    from lading.host.building import Bases
    from lading.host.images.images import Images
    from lading.store.oci.descriptors import Platform
    from lading.store.store import Store
    from lading.verify.documents.bases import Base


class RecordedBases:
    """`BaseImages` for a build in another store: whatever a name means by now, the image of that time is meant.

    It is looked for here, else at its registry, let in by the policy as any base, and copied to `target`.
    """

    def __init__(self, recorded: Sequence[Base], bases: Bases, images: Images, target: Store) -> None:
        self._recorded = tuple(recorded)
        self._bases = bases
        self._images = images
        self._target = target

    def resolve(self, name: str, platform: Platform) -> BaseImage:
        """Raises `InputError`, and what `Bases.resolve` raises."""
        if name.startswith(LAYOUT):
            found = self._bases.resolve(name, platform)
            base = self._known(name, found.reference, platform)
            return self._copied(name, platform, found, base)
        reference = None if name.startswith(OF_LAYOUT) else Reference.parse(name)
        base = self._known(name, reference.name if reference else name, platform)
        digest = base.index or base.manifest
        here = self._images.find(str(digest)) is not None
        if not here and reference is None:
            hint = Remedy("name contexts", "name the layout that it is in")
            raise InputError(f"{name}: that image of a layout is not here any more", hint=hint)
        found = self._bases.resolve(reference.at(digest).name if reference and not here else str(digest), platform)
        return self._copied(name, platform, found, base)

    def _copied(self, name: str, platform: Platform, found: BaseImage, base: Base) -> BaseImage:
        if found.manifest.descriptor.digest != base.manifest:
            digest = base.index or base.manifest
            raise InputError(f"{name}: {digest} holds another image for {platform}, not {base.manifest}")
        self._copy(found.manifest)
        return replace(found, reference=base.reference)

    def _known(self, name: str, reference: str, platform: Platform) -> Base:
        base = self._base(reference, platform)
        if base is None:
            raise InputError(f"{name}: the provenance names no such base image")
        return base

    def _base(self, reference: str, platform: Platform) -> Base | None:
        """The one of this name, of several that for `platform`."""
        found = [base for base in self._recorded if base.reference == reference]
        fitting = (base for base in found if base.platform and matches(parse_platform(base.platform), platform))
        return next(fitting, found[-1] if found else None)

    def _copy(self, manifest: Manifest) -> None:
        for part in (manifest.config, *manifest.layers):
            if self._target.blobs.size(part.digest) is None:
                copy_blob(self._images.store.blobs, part.digest, self._target.blobs)
        self._target.put_manifest(manifest.raw, manifest.media_type)
