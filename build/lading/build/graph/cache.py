"""The local cache of a build: actions to products, and images to their attestations, in the index's table ``cache``.

A row is found by a key that is the BLAKE3 of everything the product depends on. A row counts without a
signature: who owns the store owns its rows. Its layer, and the tree unpacked of it, stay for as long as the row does
(`trimming` says which go). Locks keep two builds from doing one action twice.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, Self

from lading.store.errors import DocumentError, MachineError
from lading.store.fastclass import dataclass
from lading.store.index import Index
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.json import Fields, canonical, parse
from lading.store.snapshots.seals import BlobSeals
from lading.store.store import Store
from lading.store.system.private import private_folder

_LIMIT: Final = 64 * 1024 * 1024

Kind = Literal["action", "image", "resolution"]


def key_of(value: Mapping[str, object]) -> str:
    """The key of an action: BLAKE3 of its canonical JSON, in hexadecimal."""
    from blake3 import blake3  # noqa: PLC0415

    return blake3(canonical(value)).hexdigest()


@dataclass(frozen=True, slots=True)
class ActionLayer:
    """What an action made, rendered: the root of its tree, the blob, and the uncompressed archive's digest."""

    tree: Digest
    descriptor: Descriptor
    diff_id: Digest


@dataclass(frozen=True, slots=True)
class ActionResult:
    """The product of an action: its layer (None: it changed nothing), and the link statement about it.

    `envelope` is the signed link, None until a build that completes signs it.
    """

    layer: ActionLayer | None
    statement: bytes = b""
    envelope: bytes | None = None

    def raw(self) -> bytes:
        """As a row holds it."""
        layer = self.layer
        value: dict[str, object] = {"statement": self.statement.decode()}
        if layer:
            value["layer"] = {
                "tree": str(layer.tree),
                "descriptor": layer.descriptor.json(),
                "diffId": str(layer.diff_id),
            }
        if self.envelope:
            value["envelope"] = self.envelope.decode()
        return canonical(value)

    @classmethod
    def parse(cls, raw: bytes) -> ActionResult:
        """Raises `DocumentError`."""
        fields = Fields(parse(raw, "cache row", limit=_LIMIT), "cache row")
        held = fields.optional_fields("layer")
        layer = None
        if held:
            layer = ActionLayer(
                Digest.parse(held.text("tree")),
                Descriptor.parse(held.any("descriptor"), "cache row: descriptor"),
                Digest.parse(held.text("diffId")),
            )
        envelope = fields.optional_text("envelope")
        return cls(layer, fields.text("statement").encode(), envelope.encode() if envelope else None)


class Cache:
    """Rows of one store's index, and locks in its folder."""

    def __init__(self, index: Index, folder: Path, seals: BlobSeals) -> None:
        self._index = index
        self._folder = folder
        self._seals = seals

    @classmethod
    def of(cls, store: Store) -> Self:
        """That of a store."""
        return cls(store.index, store.root / "cache", store.seals)

    def result(self, key: str) -> ActionResult | None:
        """What the action `key` made; None where it is not known, unreadable, or its layer is not what it was."""
        raw = self.get("action", key)
        try:
            product = None if raw is None else ActionResult.parse(raw)
        except DocumentError:
            return None
        if product and product.layer and not self._seals.holds(product.layer.descriptor.digest):
            return None
        return product

    def keep(self, key: str, product: ActionResult, snapshot: str | None = None) -> None:
        """Keeps what the action `key` made, with the snapshot that was committed of it (None: that of before)."""
        blob = str(product.layer.descriptor.digest) if product.layer else None
        self._index.run(
            "INSERT INTO cache (kind, key, value, used, blob, snapshot) VALUES ('action', ?, ?, ?, ?, ?)"
            " ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value, used = excluded.used,"
            " blob = excluded.blob, snapshot = coalesce(excluded.snapshot, snapshot)",
            (key, product.raw(), time.time(), blob, snapshot),
        )

    def used(self, keys: Iterable[str]) -> None:
        """Notes that the products of these actions served again: what was used least recently goes first."""
        now = time.time()
        with self._index.transaction():
            for key in keys:
                self._index.run("UPDATE cache SET used = ? WHERE kind = 'action' AND key = ?", (now, key))

    def get(self, kind: Kind, key: str) -> bytes | None:
        """A row."""
        return self._index.recall(kind, key)

    def put(self, kind: Kind, key: str, value: bytes) -> None:
        """Keeps a row, replacing what was there."""
        self._index.remember(kind, key, value)

    @contextmanager
    def lock(self, key: str) -> Generator[None, None, None]:
        """One builder at a time does the action `key`, on this machine.

        One byte of one file is locked, at an offset that the key gives: nothing is left over, and two keys that
        share an offset merely wait for each other.
        """
        try:
            private_folder(self._folder)
            descriptor = os.open(self._folder / "actions.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise MachineError(f"{self._folder}: {error.strerror}") from error
        try:
            fcntl.fcntl(
                descriptor, fcntl.F_OFD_SETLKW, struct.pack("hhqqi0q", fcntl.F_WRLCK, 0, int(key[:15], 16), 1, 0)
            )
            yield
        finally:
            os.close(descriptor)
