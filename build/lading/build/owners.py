"""``--chown`` and USER names to numbers, by the image's own passwd and group files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from lading.build.dockerfile.values import Owner
from lading.build.views import View, follow
from lading.store.errors import InputError

_LIMIT: Final = 10 << 20
_MAX_ID: Final = 2**32 - 1


def resolve(view: View, owner: Owner) -> tuple[int, int]:
    """User and group ID of `owner` in the root file system `view`. Raises `InputError` for an unknown name."""
    if owner.numeric:
        return owner.numeric
    uid, gid = _user(view, owner.user)
    return (uid, gid) if owner.group is None else (uid, _group(view, owner.group))


def _user(view: View, name: str) -> tuple[int, int]:
    if name.isdecimal():
        return int(name), int(name)
    for fields in _rows(view, "etc/passwd", 4):
        if fields[0] == name and _is_id(fields[2]) and _is_id(fields[3]):
            return int(fields[2]), int(fields[3])
    raise InputError(f"user {name!r} is not in the image's /etc/passwd")


def _group(view: View, name: str) -> int:
    if name.isdecimal():
        return int(name)
    for fields in _rows(view, "etc/group", 3):
        if fields[0] == name and _is_id(fields[2]):
            return int(fields[2])
    raise InputError(f"group {name!r} is not in the image's /etc/group")


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < _MAX_ID


def _rows(view: View, path: str, least: int) -> Iterator[list[str]]:
    item = view.item(follow(view, path))
    if item is None or not item.is_file or item.size > _LIMIT:
        return
    with os.fdopen(view.open(item), "rb") as stream:
        text = stream.read(_LIMIT).decode("utf-8", "surrogateescape")
    for line in text.split("\n"):
        fields = line.strip().split(":")
        if len(fields) >= least and not line.startswith("#"):
            yield fields
