"""Files that were picked, as entries of a tree."""

from __future__ import annotations

import os
import stat

from lading.build.context.picked_files import CopySource
from lading.store.archives.trees import Entry, Kind


def context_entries(source: CopySource, prefix: str) -> list[Entry]:
    """A source of the context as entries of a tree; `prefix` is its path there, "" for a folder's contents alone."""
    found = [_entry(path, picked) for path, picked in source.walk(prefix) if path]
    found.sort(key=lambda entry: entry.path)
    return found


def _entry(path: str, picked: CopySource) -> Entry:
    item = picked.item
    kind: Kind = "directory" if item.is_folder else "symlink" if item.is_link else "file"
    return Entry(
        os.fsencode(path),
        kind,
        stat.S_IMODE(item.mode),
        item.uid,
        item.gid,
        item.size if kind == "file" else 0,
        os.fsencode(item.target),
        sha256=picked.digest or "",
    )
