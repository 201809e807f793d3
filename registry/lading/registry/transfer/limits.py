"""How much evidence is carried along with an image. Anybody with the right to push can attach more."""

from __future__ import annotations

from lading.store.fastclass import dataclass


@dataclass(frozen=True, slots=True)
class EvidenceLimits:
    """What lies beyond is left where it is, and said."""

    depth: int = 4
    """Evidence about evidence about evidence ..."""
    documents: int = 1024
    blobs: int = 8192
    """Of all documents together, those that were here already counted too."""
    blob: int = 256 * 1024 * 1024
    """Bytes of one blob of evidence (an SBOM can be large)."""
    total: int = 1024 * 1024 * 1024
    """Bytes of all of it."""
