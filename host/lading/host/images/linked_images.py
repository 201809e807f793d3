"""Images that other builds of the same call made, as bases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from lading.build.graph.request import BaseImage, BaseImages, Built, KeySource
from lading.host.images.images import Images, ResolvedImage
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import CONFIG, MANIFEST, Manifest, parse_config
from lading.store.oci.json import canonical
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
        return LinkedImages(others, here, self.made)


@dataclass(frozen=True, slots=True)
class LinkedImages:
    """`BaseImages` with those of the call; one that is not made, where nothing is executed, is an empty one."""

    others: BaseImages
    here: Images
    made: Mapping[str, Built]

    def resolve(self, name: str, platform: Platform) -> BaseImage:
        """As `BaseImages.resolve`. An image of this call is as good as the weakest that it stands on, as a stage is."""
        if not name.startswith(LINKED):
            return self.others.resolve(name, platform)
        built = self.made.get(name.removeprefix(LINKED))
        if built is None:
            return _empty(name, platform)
        manifest = self.here.target(ResolvedImage(built.descriptor, (), ()), platform).manifest
        return BaseImage(
            reference=name,
            descriptor=built.descriptor,
            manifest=manifest,
            config=self.here.store.config(manifest),
            status=weakest(base.status for base in built.bases),
            reason="built in the same call",
        )


def _empty(name: str, platform: Platform) -> BaseImage:
    system = {"architecture": platform.architecture, "os": platform.os}
    raw = canonical({**system, "config": {}, "rootfs": {"type": "layers", "diff_ids": []}})
    manifest = Manifest(b"", MANIFEST, Descriptor.of(raw, CONFIG), (), None, None, {})
    return BaseImage(name, manifest.descriptor, manifest, parse_config(raw, name), "none", "not built")
