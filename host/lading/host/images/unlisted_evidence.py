"""Images that were pulled although the registry would not say what is evidence of them: it is asked again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lading.store.store import Store

_KIND: Final = "unlisted"


def note(store: Store, name: str, *, complete: bool) -> None:
    """The evidence of what was pulled as `name` is all here, or it is not known."""
    if complete:
        store.index.forget(_KIND, name)
    else:
        store.index.remember(_KIND, name, b"")


def among(store: Store, names: Iterable[str]) -> list[str]:
    """Those of `names` whose evidence is not known."""
    rows = store.index.all("SELECT key FROM cache WHERE kind = ?", (_KIND,))
    unlisted = {str(row[0]) for row in rows}
    return [name for name in dict.fromkeys(names) if name in unlisted]
