"""A root file system, as the image it begins with and the steps on it."""

from __future__ import annotations

from collections.abc import Mapping

from lading.store.fastclass import dataclass, replace
from lading.store.oci.descriptors import Platform


@dataclass(frozen=True, slots=True)
class WantedImage:
    """An image from outside by the name that it is asked for by, and the platform that it is for."""

    name: str
    platform: Platform


@dataclass(frozen=True, slots=True)
class Chain:
    """A root file system: the image it begins with (None: nothing), and the steps on it, bottom up."""

    image: WantedImage | None = None
    steps: tuple[int, ...] = ()

    def then(self, step: int) -> Chain:
        """With one more step."""
        return Chain(self.image, (*self.steps, step))

    def renumbered(self, numbers: Mapping[int, int]) -> Chain:
        """The same with other numbers for its steps."""
        return replace(self, steps=tuple(numbers[step] for step in self.steps)) if self.steps else self
