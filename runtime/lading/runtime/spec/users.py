"""Who a process in a container is: names are looked up in the image's own passwd and group files.

The files are opened as the container would see them (`rootfs.open_in_root`): a link in the image never makes the
host's files be read. Rules as docker's: a user that is a number need not exist; a name must.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Final

from lading.runtime.spec.rootfs import open_in_root
from lading.store.errors import InputError
from lading.store.fastclass import dataclass

_LIMIT: Final = 4 << 20
_MAX_ID: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ProcessUser:
    """A resolved user: ids, supplementary groups and home folder."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/"

    def spec(self) -> dict[str, object]:
        """`process.user` of the OCI runtime spec."""
        return {"uid": self.uid, "gid": self.gid, "additionalGids": sorted({self.gid, *self.groups}), "umask": 0o022}


def resolve(root: int, text: str) -> ProcessUser:
    """The user that `text` (``USER[:GROUP]``, names or numbers; empty: root) means in the folder `root`.

    Raises `InputError` for a name that the image does not know.
    """
    name, colon, group = text.partition(":")
    passwd = list(_entries(root, "/etc/passwd", 7))
    entry = _find(passwd, name or "0")
    if entry:
        user = ProcessUser(_number(entry[2], "uid"), _number(entry[3], "gid"), (), entry[5] or "/")
    elif _is_number(name) or not name:
        user = ProcessUser(_number(name or "0", "uid"))
    else:
        raise InputError(f"unable to find user {name}: no matching entries in the image's passwd file")
    if colon and group:
        return ProcessUser(user.uid, _group(root, group), (), user.home)
    return ProcessUser(user.uid, user.gid, _supplementary(root, entry[0] if entry else None), user.home)


def _find(entries: list[list[str]], wanted: str) -> list[str] | None:
    if _is_number(wanted):  # never a name, even where one is written so
        return next((entry for entry in entries if int(entry[2]) == int(wanted)), None)
    return next((entry for entry in entries if entry[0] == wanted), None)


def _group(root: int, text: str) -> int:
    entry = _find(list(_entries(root, "/etc/group", 4)), text)
    if entry:
        return _number(entry[2], "gid")
    if _is_number(text):
        return _number(text, "gid")
    raise InputError(f"unable to find group {text}: no matching entries in the image's group file")


def _supplementary(root: int, name: str | None) -> tuple[int, ...]:
    if name is None:
        return ()
    return tuple(_number(entry[2], "gid") for entry in _entries(root, "/etc/group", 4) if name in entry[3].split(","))


def _number(text: str, meaning: str) -> int:
    if not _is_number(text) or int(text) > _MAX_ID:
        raise InputError(f"{text!r} is not a usable {meaning}")
    return int(text)


def _is_number(text: str) -> bool:
    """Digits as C knows them, and not endlessly many."""
    return text.isascii() and text.isdigit() and len(text) < 20


def _entries(root: int, path: str, fields: int) -> Iterator[list[str]]:
    for line in read_in_root(root, path).decode("utf-8", "surrogateescape").splitlines():
        entry = line.strip().split(":")
        if len(entry) >= fields and entry[0] and _is_number(entry[2]):
            yield entry


def read_in_root(root: int, path: str) -> bytes:
    """A small regular file of a container, b"" where there is none."""
    try:
        fd = open_in_root(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return b""
    try:
        return os.read(fd, _LIMIT) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    finally:
        os.close(fd)
