"""Through which descriptors files are made durable."""

from __future__ import annotations

import fcntl
import os
import stat

import pytest


def synced(monkeypatch: pytest.MonkeyPatch) -> dict[int, list[bool]]:
    """The inodes of the files that were synced from now on, and each time whether by a descriptor that could write."""
    seen: dict[int, list[bool]] = {}
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode):
            writing = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
            seen.setdefault(found.st_ino, []).append(writing)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    return seen
