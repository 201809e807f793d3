"""A step in its place: an operation on a chain of earlier ones, and its line in the Dockerfile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lading.build.errors import Place
from lading.build.graph.steps.chain import Chain, WantedImage
from lading.build.graph.steps.mount_requests import BindMount, CacheMount, RunMount, mounted
from lading.build.graph.steps.step_operations import FROM, CopyOp, DeriveOp, Operation, RunOp
from lading.store.fastclass import dataclass, replace
from lading.store.oci.descriptors import Platform
from lading.verify.documents.links import TREE


@dataclass(frozen=True, slots=True)
class Step:
    """An operation in its place.

    `text` is what the image's history says; `command` is what a link says, no variable expanded; `written` is the
    instruction on one line, as it stands in the Dockerfile. `platform` is that of the programs it executes, None where
    it makes the same on every platform.
    """

    number: int
    stage: str
    place: Place
    operation: Operation
    below: Chain
    text: str
    command: tuple[str, ...]
    written: str
    platform: Platform | None = None

    @property
    def ground(self) -> Chain:
        """What it is done to: what is `below`, or nothing, where it is the same on everything."""
        return Chain() if isinstance(self.operation, CopyOp) and self.operation.link else self.below

    @property
    def chains(self) -> Iterator[Chain]:
        """The root file systems it needs."""
        yield self.ground
        yield from (chain for _, chain in self.taken)

    @property
    def taken(self) -> Iterator[tuple[str, Chain]]:
        """The root file systems that it takes something of, by the names that they have among its materials."""
        match self.operation:
            case CopyOp(origin=Chain() as origin):
                yield FROM, origin
            case DeriveOp(origin=origin):
                yield TREE, origin
            case RunOp(mounts=mounts):
                for mount in mounts:
                    if isinstance(mount, BindMount | CacheMount) and mount.origin is not None:
                        yield mounted(mount), mount.origin
            case _:
                pass

    def renumbered(self, numbers: Mapping[int, int], number: int) -> Step:
        """The same as step `number` of a graph in which those it stands on have other numbers."""
        operation = self.operation
        match operation:
            case CopyOp(origin=Chain() as origin) | DeriveOp(origin=origin):
                operation = replace(operation, origin=origin.renumbered(numbers))
            case RunOp(mounts=mounts) if mounts:
                operation = replace(operation, mounts=tuple(_renumbered(mount, numbers) for mount in mounts))
            case _:
                pass
        return replace(self, number=number, operation=operation, below=self.below.renumbered(numbers))


def _renumbered(mount: RunMount, numbers: Mapping[int, int]) -> RunMount:
    if isinstance(mount, BindMount | CacheMount) and mount.origin is not None:
        return replace(mount, origin=mount.origin.renumbered(numbers))
    return mount


@dataclass(frozen=True, slots=True)
class StageLine:
    """A line of a stage for `platform` as the DAG document shows it: its text, the step or the image it stands for."""

    stage: str
    place: Place
    text: str
    platform: Platform
    step: int | None = None
    image: WantedImage | None = None
