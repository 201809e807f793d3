"""Names of targets and groups by pattern."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lading.build.bake.hcl.hcl_source import BakeError
from lading.build.dockerfile.glob import PatternError, match
from lading.build.errors import suggestion


def matching(pattern: str, names: Sequence[str]) -> list[str]:
    """The name itself where there is one, else all that fit. Raises `BakeError` where none does."""
    if pattern in names:
        return [pattern]
    try:
        found = [name for name in names if match(pattern, name)]
    except PatternError as error:
        raise BakeError(f"{pattern}: {error}") from None
    if not found:
        raise BakeError(f"no target matches {pattern!r}{suggestion(pattern, names)}")
    return found


def chosen(words: Iterable[str], groups: Sequence[str], targets: Sequence[str]) -> list[str]:
    """What a call asks for: names as they are, with dots as Compose has them, and patterns. Raises `BakeError`."""
    found: list[str] = []
    for word in words:
        name = word.replace(".", "_")
        found += matching(name, [*groups, *targets]) if any(mark in name for mark in "*?[]") else [name]
    return list(dict.fromkeys(found))
