"""``--chown`` and USER names to numbers, by the image's own passwd and group files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from lading.build.context.folders import FileView, follow
from lading.build.dockerfile.instruction_values import MAX_ID, Owner, number, parse_owner
from lading.build.errors import TextError
from lading.store.errors import InputError

_LIMIT: Final = 10 << 20
_ROOT: Final = "root"


def read(text: str) -> Owner:
    """What USER says, of a Dockerfile or of a base image's config. Raises `InputError`."""
    try:
        return parse_owner(text)
    except TextError as problem:
        raise InputError(str(problem)) from None


def resolve(view: FileView, owner: Owner) -> tuple[int, int]:
    """User and group ID of `owner` in the root file system `view`. Raises `InputError` for an unknown name."""
    if owner.numeric:
        return owner.numeric
    uid, gid = _user(view, owner.user)
    return (uid, gid) if owner.group is None else (uid, _group(view, owner.group))


def _user(view: FileView, name: str) -> tuple[int, int]:
    uid = number(name, MAX_ID)
    if uid is not None:
        return uid, uid
    for fields in _rows(view, "etc/passwd", 4):
        found, gid = number(fields[2], MAX_ID), number(fields[3], MAX_ID)
        if fields[0] == name and found is not None and gid is not None:
            return found, gid
    if name == _ROOT:
        return 0, 0
    raise InputError(f"user {name!r} is not in the image's /etc/passwd")


def _group(view: FileView, name: str) -> int:
    gid = number(name, MAX_ID)
    if gid is not None:
        return gid
    for fields in _rows(view, "etc/group", 3):
        found = number(fields[2], MAX_ID)
        if fields[0] == name and found is not None:
            return found
    if name == _ROOT:
        return 0
    raise InputError(f"group {name!r} is not in the image's /etc/group")


def _rows(view: FileView, path: str, least: int) -> Iterator[list[str]]:
    item = view.item(follow(view, path))
    if item is None or not item.is_file or item.size > _LIMIT:
        return
    with os.fdopen(view.open(item), "rb") as stream:
        text = stream.read(_LIMIT).decode("utf-8", "surrogateescape")
    for line in text.split("\n"):
        fields = line.strip().split(":")
        if len(fields) >= least and not line.startswith("#"):
            yield fields
