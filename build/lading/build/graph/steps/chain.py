"""A root file system, as the image it begins with and the steps on it."""

from __future__ import annotations

from lading.store.fastclass import dataclass


@dataclass(frozen=True, slots=True)
class Chain:
    """A root file system: the name of the image it begins with (None: nothing), and the steps on it, bottom up."""

    image: str | None = None
    steps: tuple[int, ...] = ()

    def then(self, step: int) -> Chain:
        """With one more step."""
        return Chain(self.image, (*self.steps, step))
