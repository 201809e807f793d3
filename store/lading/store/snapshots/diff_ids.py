"""Which blob uncompresses to which archive: learnt where both were hashed in one pass, and asked for by a launch.

Unpacked layers go by diff IDs, which a config names; a manifest names blobs. What runs is what a manifest names only
if somebody has seen that each of its blobs is the archive that the config says.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from lading.store.content.blobs import Blobs
from lading.store.errors import MachineError
from lading.store.index import Index
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest

if TYPE_CHECKING:
    from lading.store.archives.layer_limits import Limits

_KIND: Final = "diff-id"


class DiffIds:
    """The pairs that were seen, in the index; one that is lost is seen again."""

    def __init__(self, index: Index, limits: Limits | None = None) -> None:
        self._index = index
        self._limits = limits

    def known(self, layer: Descriptor, diff_id: Digest) -> bool:
        """Whether it was seen that `layer` uncompresses to `diff_id`."""
        return self._index.recall(_KIND, str(layer.digest)) == str(diff_id).encode()

    def remember(self, layer: Descriptor, diff_id: Digest) -> None:
        """Keeps a pair that was seen; where there is no room for it, it is seen again next time."""
        with suppress(MachineError):
            self.keep(layer, diff_id)

    def keep(self, layer: Descriptor, diff_id: Digest) -> None:
        """As `remember`, within a transaction that would fail as well."""
        self._index.remember(_KIND, str(layer.digest), str(diff_id).encode())

    def forget(self, layer: Digest) -> None:
        """Drops what was seen of a blob that is about to go."""
        self._index.forget(_KIND, str(layer))

    def check(self, blobs: Blobs, layer: Descriptor, diff_id: Digest) -> None:
        """Raises `DocumentError` unless `layer` uncompresses to `diff_id`; reads it where that was not seen yet."""
        if not self.known(layer, diff_id):
            from lading.store.archives.layers import check_layer  # noqa: PLC0415 - loads the decompressors

            check_layer(blobs, layer, diff_id, self._limits)
            self.remember(layer, diff_id)
