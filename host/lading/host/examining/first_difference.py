"""The step of two builds of one Dockerfile that first made something else, and what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lading.host.examining.file_origins import step_text
from lading.inventory.trees.comparison import FileDifference, compare_trees
from lading.store.fastclass import dataclass

if TYPE_CHECKING:
    from lading.host.trust.attached_evidence import AttachedDag
    from lading.inventory.trees.image_tree import OpenedImage
    from lading.verify.documents.dag import DagNode
    from lading.verify.documents.dag_artifact import DagArtifact


@dataclass(frozen=True, slots=True)
class FirstDifference:
    """A step as the Dockerfile has it, and the first file in which its layers differ.

    Of a stage whose layers are not in the image `file` is None: its step alone is known.
    """

    step: str
    line: int | None
    stage: str | None
    file: FileDifference | None


def first_difference(
    first: OpenedImage, second: OpenedImage, steps: AttachedDag | None, again: DagArtifact
) -> FirstDifference | None:
    """None where no step made anything else: config or times differ then, or the steps are not on record."""
    nodes = steps.artifact.dag.nodes if steps else ()
    for one, other in zip(nodes, again.dag.nodes, strict=False):
        if one.tree != other.tree:
            return FirstDifference(_text(one, steps), one.line, one.stage, _file(first, second, one, other))
    return None


def _text(node: DagNode, steps: AttachedDag | None) -> str:
    return step_text(node, steps.artifact.links[node.link] if steps and node.link is not None else None)


def _file(first: OpenedImage, second: OpenedImage, one: DagNode, other: DagNode) -> FileDifference | None:
    """The first path, in the layers that the step made in either build."""
    if one.layer is None or other.layer is None:
        return None
    trees = [
        image.layer(image.config.diff_ids.index(layer.diff_id))
        for image, layer in ((first, one.layer), (second, other.layer))
        if layer.diff_id in image.config.diff_ids
    ]
    return next(compare_trees(trees[0], trees[1]), None) if len(trees) == 2 else None
