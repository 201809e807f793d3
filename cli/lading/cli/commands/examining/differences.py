"""How the differences of two images are told: at a glance first, then one by one up to a limit, or as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from lading.cli.calls.option_values import short
from lading.cli.display.output import Output, escape
from lading.store.archives.trees import text
from lading.store.errors import LadingError

if TYPE_CHECKING:
    from lading.inventory.trees.comparison import FileDifference, ImageComparison, LayerDifference
    from lading.inventory.trees.file_nodes import FileNode
    from lading.inventory.trees.image_tree import OpenedImage
    from lading.inventory.trees.json_fields import JsonDifference

SHOWN: Final = 20
"""Files, or inputs of a step, that are named where nothing else is asked for."""
_WIDTH: Final = 100
_ASPECTS: Final[dict[str, Callable[[FileNode], str]]] = {
    "content": lambda node: f"{node.size:,} bytes",
    "mode": lambda node: f"{node.mode:04o}",
    "owner": lambda node: f"{node.uid}:{node.gid}",
    "type": lambda node: node.kind,
    "target": lambda node: text(node.target),
    "time": lambda node: f"{node.mtime / 1e9:.0f}",
}
"""How either side of what differs is shown."""
_T = TypeVar("_T")
OpenedImages = Sequence["OpenedImage"]


def lines(output: Output, images: OpenedImages, found: ImageComparison, limit: int) -> Iterator[str]:
    """For people, escaped: the first line says it all, and what matters most comes next."""
    names = [f"{escape(_name(image.name))} ({image.manifest.descriptor.digest.short})" for image in images]
    if found.same:
        yield f"{output.style('same', 'green', sys.stdout)}  {names[0]} and {names[1]}"
        return
    yield f"{output.style('differ', 'yellow', sys.stdout)}  A {names[0]} and B {names[1]}: {_counted(found)}"
    for item in _some(found.files, limit):
        yield f"  file    {escape(_file(item, images))}"
    yield from _rest("file", found.files, limit)
    for field in _some([*found.config, *found.manifest], limit):
        yield f"  {'config' if field in found.config else 'image':6}  {escape(_field(field))}"
    yield from _rest("config", [*found.config, *found.manifest], limit)
    for layer in _some(found.layers, limit):
        yield f"  layer   {escape(_layer(layer))}"
    yield from _rest("layer", found.layers, limit)
    for item in _some(found.times, limit if not found.files else 1):
        yield f"  time    {escape(_file(item, images))}"
    yield from _rest("time", found.times, limit if not found.files else 1)


def _name(typed: str) -> str:
    try:
        return typed if typed.startswith("oci:") else short(typed)
    except LadingError:
        return typed


def _some(items: Sequence[_T], limit: int) -> Iterator[_T]:
    return islice(iter(items), limit or None)


def _rest(what: str, items: Sequence[object], limit: int) -> Iterator[str]:
    if limit and len(items) > limit:
        yield f"  {what:6}  and {len(items) - limit:,} more: --limit 0 shows all"


def _counted(found: ImageComparison) -> str:
    only = [sum(item.second is None for item in found.files), sum(item.first is None for item in found.files)]
    changed = len(found.files) - sum(only)
    others = sum(not layer.same_files for layer in found.layers)
    counts = [
        (changed, "file differs", "files differ"),
        (only[0], "file is in A alone", "files are in A alone"),
        (only[1], "file is in B alone", "files are in B alone"),
        (len(found.times), "file has another time", "files have another time"),
        (len(found.config), "field of the config", "fields of the config"),
        (len(found.manifest), "field of the manifest", "fields of the manifest"),
        (others, "layer", "layers"),
        (len(found.layers) - others, "layer compressed otherwise", "layers compressed otherwise"),
    ]
    return ", ".join(f"{count:,} {one if count == 1 else several}" for count, one, several in counts if count)


def _file(item: FileDifference, images: OpenedImages) -> str:
    path = f"/{text(item.path)}"
    if item.first is None or item.second is None:
        node = item.first or item.second
        side = 0 if item.first else 1
        assert node is not None
        return f"{path}  only in {'AB'[side]}: {_kind(node)}, {_step(images[side], node)}"
    told = [_aspect(what, item.first, item.second) for what in item.what]
    return f"{path}  {', '.join(told)}; {_steps(item.first, item.second, images)}"


def _kind(node: FileNode) -> str:
    return f"{node.kind} of {node.size:,} bytes" if node.kind == "file" else node.kind


def _aspect(what: str, first: FileNode, second: FileNode) -> str:
    shown = _ASPECTS.get(what)
    if shown is None:
        return what
    one, other = shown(first), shown(second)
    return f"{what} ({one} each)" if one == other else f"{what} ({one} and {other})"


def _steps(first: FileNode, second: FileNode, images: OpenedImages) -> str:
    one, other = _step(images[0], first), _step(images[1], second)
    return one if one == other else f"A: {one}, B: {other}"


def _step(image: OpenedImage, node: FileNode) -> str:
    said = image.steps[node.layer] if node.layer < len(image.steps) else ""
    return f"layer {node.layer + 1}" + (f" ({_cut(said)})" if said else "")


def _cut(words: str) -> str:
    line = " ".join(words.split())
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"


def _field(item: JsonDifference) -> str:
    return f"{item.field}: {_value(item.first)} and {_value(item.second)}"


def _value(value: object) -> str:
    return "nothing" if value is None else _cut(json.dumps(value, ensure_ascii=False))


def _layer(item: LayerDifference) -> str:
    if item.same_files:
        return f"{item.number + 1}: the same archive, compressed otherwise"
    sides = [f"{side.tree.short} ({_cut(side.step)})" if side else "nothing" for side in (item.first, item.second)]
    if item.first and item.second and item.first.step == item.second.step:
        return f"{item.number + 1}: {item.first.tree.short} and {sides[1]}"
    return f"{item.number + 1}: {sides[0]} and {sides[1]}"


def as_json(images: OpenedImages, found: ImageComparison, limit: int) -> str:
    """One document; `counts` are of everything, lists end at the limit."""
    lists = {
        "files": [_json_file(item) for item in (*found.files, *found.times)],
        "config": [_json_field(item) for item in found.config],
        "manifest": [_json_field(item) for item in found.manifest],
        "layers": [_json_layer(item) for item in found.layers],
    }
    value = {
        "same": found.same,
        "images": [{"image": image.name, "manifest": str(image.manifest.descriptor.digest)} for image in images],
        "counts": {name: len(items) for name, items in lists.items()},
        **{name: list(_some(items, limit)) for name, items in lists.items()},
    }
    return json.dumps(value, indent=2)


def _json_file(item: FileDifference) -> dict[str, object]:
    what = list(item.what) or ["missing"]
    return {"path": text(item.path), "what": what, "first": _json_node(item.first), "second": _json_node(item.second)}


def _json_node(node: FileNode | None) -> dict[str, object] | None:
    if node is None:
        return None
    value: dict[str, object] = {"type": node.kind, "mode": node.mode, "uid": node.uid, "gid": node.gid}
    if node.kind == "file":
        value |= {"size": node.size, "sha256": node.sha256}
    if node.kind == "symlink":
        value["target"] = text(node.target)
    if node.xattrs:
        value["xattrs"] = {text(os.fsencode(name)): content.hex() for name, content in node.xattrs}
    return {**value, "mtime": node.mtime, "layer": node.layer + 1}


def _json_field(item: JsonDifference) -> dict[str, object]:
    return {"field": item.field, "first": item.first, "second": item.second}


def _json_layer(item: LayerDifference) -> dict[str, object]:
    sides = [
        None if side is None else {"digest": str(side.blob), "diffId": str(side.tree), "step": side.step}
        for side in (item.first, item.second)
    ]
    return {"layer": item.number + 1, "first": sides[0], "second": sides[1]}
