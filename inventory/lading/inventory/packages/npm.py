"""Node's packages: the ``package.json`` of each folder in ``node_modules``, and of what is in none, an application."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, cast

from lading.inventory.packages.package import Package
from lading.inventory.trees.file_nodes import FileNode
from lading.store.errors import DocumentError
from lading.store.oci.json import parse

FOLDER: Final = b"node_modules"
RECORD: Final = b"/package.json"


def is_record(path: bytes) -> bool:
    """Whether a path is the record of a package: in its own folder, or in that within the one of its scope.

    Deeper in a package are others' samples; outside of all packages each is one.
    """
    parts = path.split(b"/")
    if parts[-1:] != [RECORD[1:]]:
        return False
    if FOLDER not in parts:
        return True
    return parts[-3:-2] == [FOLDER] or (parts[-4:-3] == [FOLDER] and parts[-3].startswith(b"@"))


def read(root: FileNode, path: bytes, node: FileNode) -> Iterator[Package]:
    """The package whose record is at `path`; all that is in its folder, but in folders of others, is its own.

    Of an application only the record is: where it is does not say how far it goes.
    """
    try:
        fields = _members(parse(node.content or b"", "package.json", repeated=True))
    except DocumentError:
        return  # anybody's file
    full, version = _text(fields.get("name")), _text(fields.get("version"))
    if full:
        scope, _, name = full.rpartition("/")
        folder = path.removesuffix(RECORD)
        files = _files(root, folder) if FOLDER in path.split(b"/") else (path,)
        yield Package(
            "npm",
            name,
            version,
            path,
            node.layer,
            namespace=scope,
            files=files,
            licenses=tuple(filter(None, _licenses(fields))),
        )


def _licenses(fields: Mapping[str, object]) -> Iterator[str]:
    """A name or an expression; in older packages an object with a type, or a list of them."""
    one = fields.get("license")
    if one is not None:
        yield _license(one)
        return
    several = fields.get("licenses")
    for item in cast("list[object]", several) if isinstance(several, list) else [several]:
        yield _license(item)


def _license(value: object) -> str:
    members = _members(value)
    return _text(members.get("type") if members else value)


def _members(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _files(root: FileNode, folder: bytes) -> tuple[bytes, ...]:
    there = root.find(folder)
    nested = FOLDER + b"/"
    return tuple(
        folder + b"/" + path
        for path, node in (there.walk() if there else ())
        if node.kind == "file" and nested not in path
    )
