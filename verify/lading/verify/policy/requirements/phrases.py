"""Words that the requirements share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lading.verify.keys.named_key import NamedKey


def either(keys: Sequence[NamedKey]) -> str:
    """Keys by name, one of which suffices."""
    return " or ".join(repr(key.name) for key in keys)


def listed(words: Iterable[object]) -> str:
    """Several, with commas."""
    return ", ".join(map(str, words))
