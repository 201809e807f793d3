"""What a bill of materials says of an image, whatever its form."""

from __future__ import annotations

from collections.abc import Mapping

from lading.inventory.packages.package import Package
from lading.store.fastclass import dataclass
from lading.store.oci.digests import Digest


@dataclass(frozen=True, slots=True)
class Bill:
    """An image by name, digest and package URL, its packages, and os-release. `created` is the image's own time."""

    name: str
    digest: Digest
    url: str
    created: str
    version: str
    packages: tuple[Package, ...]
    release: Mapping[str, str]
