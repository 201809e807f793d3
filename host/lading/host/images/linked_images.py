"""Images that other builds of the same call made, as bases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from lading.build.graph.request import BaseImage, BaseImages, Built, KeySource
from lading.host.images.images import Images, ResolvedImage
from lading.store.fastclass import dataclass
from lading.verify.documents.bases import weakest

if TYPE_CHECKING:
    from lading.build.graph.halt import Together
    from lading.store.oci.descriptors import Platform

LINKED: Final = "target:"
"""Begins the name of an image that is another target's."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What a build has of the call that it is one of: the key, opened once, and the images made so far by name."""

    together: Together
    key: KeySource
    made: Mapping[str, Built]

    def images(self, others: BaseImages, here: Images) -> BaseImages:
        """The images made so far, before `others`."""
        return _LinkedImages(others, here, self.made)


@dataclass(frozen=True, slots=True)
class _LinkedImages:
    others: BaseImages
    here: Images
    made: Mapping[str, Built]

    def resolve(self, name: str, platform: Platform) -> BaseImage:
        """As `BaseImages.resolve`. An image of this call is as good as the weakest that it stands on, as a stage is."""
        if not name.startswith(LINKED):
            return self.others.resolve(name, platform)
        built = self.made[name.removeprefix(LINKED)]
        manifest = self.here.target(ResolvedImage(built.descriptor, (), ()), platform).manifest
        return BaseImage(
            reference=name,
            descriptor=built.descriptor,
            manifest=manifest,
            config=self.here.store.config(manifest),
            status=weakest(base.status for base in built.bases),
            reason="built in the same call",
        )
