"""How two images differ: by file, by field of the config, by layer. Layers that they share are read once."""

from __future__ import annotations

from collections.abc import Generator
from itertools import takewhile
from typing import Final

from lading.inventory.trees.file_nodes import FileNode, folder, names
from lading.inventory.trees.image_tree import OpenedImage
from lading.inventory.trees.json_fields import JsonDifference, compare_json
from lading.store.fastclass import dataclass
from lading.store.oci.digests import Digest
from lading.store.oci.json import Fields, parse

_PLAIN: Final = ("mode", "uid", "gid", "target", "device", "xattrs")
_OWNED: Final = {"uid": "owner", "gid": "owner"}


@dataclass(frozen=True, slots=True)
class FileDifference:
    """A path where the images differ; on the side where it is missing the node is None.

    `what` names what differs: content, type, mode, owner, target, device, xattrs, links (which names are one file),
    time.
    """

    path: bytes
    what: tuple[str, ...]
    first: FileNode | None
    second: FileNode | None


@dataclass(frozen=True, slots=True)
class ComparedLayer:
    """A layer of one of the images: `tree` is its archive, `step` what the history says of it."""

    blob: Digest
    tree: Digest
    step: str


@dataclass(frozen=True, slots=True)
class LayerDifference:
    """The layers at one place, counted from 0: other archives, or one compressed otherwise. None: it ends before."""

    number: int
    first: ComparedLayer | None
    second: ComparedLayer | None

    @property
    def same_files(self) -> bool:
        """Whether only the compression differs."""
        return self.first is not None and self.second is not None and self.first.tree == self.second.tree


@dataclass(frozen=True, slots=True)
class ImageComparison:
    """All that differs, files in the order of their paths, and then those whose time alone does."""

    files: tuple[FileDifference, ...] = ()
    times: tuple[FileDifference, ...] = ()
    config: tuple[JsonDifference, ...] = ()
    layers: tuple[LayerDifference, ...] = ()
    manifest: tuple[JsonDifference, ...] = ()

    @property
    def same(self) -> bool:
        """Whether nothing differs, byte for byte."""
        return not (self.files or self.times or self.config or self.layers or self.manifest)


def compare_images(first: OpenedImage, second: OpenedImage) -> ImageComparison:
    """Raises `DocumentError` where a layer is not what it should be."""
    if first.manifest.raw == second.manifest.raw:
        return ImageComparison()
    layers = tuple(_layers(first, second))
    found = [] if all(layer.same_files for layer in layers) else list(compare_trees(*_trees(first, second)))
    return ImageComparison(
        tuple(item for item in found if item.what != ("time",)),
        tuple(item for item in found if item.what == ("time",)),
        tuple(compare_json(_config(first), _config(second))),
        layers,
        tuple(compare_json(_manifest(first), _manifest(second))),
    )


def _layers(first: OpenedImage, second: OpenedImage) -> Generator[LayerDifference, None, None]:
    one, other = _compared(first), _compared(second)
    for number in range(max(len(one), len(other))):
        a, b = (layers[number] if number < len(layers) else None for layers in (one, other))
        if a is None or b is None or (a.blob, a.tree) != (b.blob, b.tree):
            yield LayerDifference(number, a, b)


def _compared(image: OpenedImage) -> list[ComparedLayer]:
    return [
        ComparedLayer(descriptor.digest, diff_id, step)
        for (descriptor, diff_id), step in zip(image.layers, image.steps, strict=False)
    ]


def _trees(first: OpenedImage, second: OpenedImage) -> tuple[FileNode, FileNode]:
    """Those of the layers that both have at their bottom are read once."""
    pairs = zip(first.config.diff_ids, second.config.diff_ids, strict=False)
    shared = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
    below = first.above(folder(0), range(shared))
    other = below.copy()
    one = first.above(below, range(shared, len(first.manifest.layers)))
    return one, second.above(other, range(shared, len(second.manifest.layers)))


def _config(image: OpenedImage) -> object:
    fields = Fields(parse(image.config.raw, "config"), "config")
    fields.any("rootfs")
    return fields.rest()


def _manifest(image: OpenedImage) -> object:
    """What is left of a manifest without the digests and types of what is compared apart."""
    fields = Fields(parse(image.manifest.raw, "manifest"), "manifest")
    for name in ("config", "layers"):
        fields.any(name)
    layers = {str(at + 1): dict(layer.annotations) for at, layer in enumerate(image.manifest.layers)}
    return {**fields.rest(), "config": {"mediaType": image.manifest.config.media_type}, "layers": layers}


_Names = dict[int, list[bytes]]


def compare_trees(first: FileNode, second: FileNode) -> Generator[FileDifference, None, None]:
    """Every path at which two trees differ, in order."""
    linked = names(first), names(second)
    pending: list[tuple[bytes, FileNode | None, FileNode | None]] = [(b"", first, second)]
    while pending:
        path, one, other = pending.pop()
        if path and (what := _what(path, one, other, linked)) is not None:
            yield FileDifference(path, what, one, other)
        prefix = path + b"/" if path else b""
        left = one.children if one else {}
        right = other.children if other else {}
        for name in sorted(left.keys() | right.keys(), reverse=True):
            a, b = left.get(name), right.get(name)
            if a is not b:
                pending.append((prefix + name, a, b))


def _what(
    path: bytes,
    first: FileNode | None,
    second: FileNode | None,
    linked: tuple[dict[int, list[bytes]], dict[int, list[bytes]]],
) -> tuple[str, ...] | None:
    """What differs at a path; () where one side has nothing there, None where nothing does."""
    if first is None or second is None:
        return ()
    if first.kind != second.kind:
        return ("type",)
    found = [_OWNED.get(name, name) for name in _PLAIN if getattr(first, name) != getattr(second, name)]
    if (first.size, first.sha256) != (second.size, second.sha256):
        found.insert(0, "content")
    if linked[0].get(id(first), [path])[0] != linked[1].get(id(second), [path])[0]:
        found.append("links")
    if first.mtime != second.mtime:
        found.append("time")
    return tuple(dict.fromkeys(found)) or None
