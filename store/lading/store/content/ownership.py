"""Whose files are, for a caller that can give none away: an ordinary user's own stand for those of root.

Root's files, which most images have alone, can then be written and read back by anybody; all others' cannot.
"""

from __future__ import annotations

import os


def on_disk(uid: int, gid: int) -> tuple[int, int]:
    """To whom a file of `uid` and `gid` is given."""
    own = os.geteuid()
    return (uid, gid) if own == 0 else (uid or own, gid or os.getegid())


def in_image(info: os.stat_result) -> tuple[int, int]:
    """Whose a file on the disk is in an image."""
    own = os.geteuid()
    if own == 0:
        return info.st_uid, info.st_gid
    return (0 if info.st_uid == own else info.st_uid), (0 if info.st_gid == os.getegid() else info.st_gid)
