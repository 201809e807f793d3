"""Content digests as the OCI image specification writes them (image-spec 1.1.1, descriptor.md "Digests")."""

from __future__ import annotations

from typing import Final

from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass
from lading.store.system import hashing

LENGTHS: Final = {"sha256": 64, "sha512": 128}
"""The registered algorithms and the length of their digests in hexadecimal digits."""
HEX: Final = frozenset("0123456789abcdef")
"""The digits."""


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """``algorithm:hex``, where the algorithm is sha256 or sha512 and hex is lower case."""

    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Raises `DocumentError` unless `text` is a whole digest of a registered algorithm."""
        algorithm, _, digits = text.partition(":")
        length = LENGTHS.get(algorithm)
        if length is None:
            raise DocumentError(f"{text!r}: not a digest: the algorithm must be sha256 or sha512")
        if len(digits) != length or not HEX.issuperset(digits):
            raise DocumentError(f"{text!r}: not a digest: {algorithm} has {length} lower-case hexadecimal digits")
        return cls(algorithm, digits)

    @classmethod
    def of(cls, data: bytes, algorithm: str = "sha256") -> Digest:
        """The digest of `data`."""
        made = hashing.new(algorithm, len(data))
        made.update(data)
        return cls(algorithm, made.hexdigest())

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    @property
    def short(self) -> str:
        """The first twelve digits, as tables show it."""
        return self.hex[:12]
