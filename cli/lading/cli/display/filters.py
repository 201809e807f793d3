"""`--filter NAME=VALUE`, as docker has it: several values of one name are alternatives, labels all have to be there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from lading.store.errors import UsageError

Filters = Mapping[str, Sequence[str]]


def filters(words: Sequence[str] | None, known: Collection[str]) -> Filters:
    """The values by name. Raises `UsageError` for a name that is not `known`."""
    found: dict[str, list[str]] = {}
    for word in words or ():
        name, equals, value = word.partition("=")
        name = name.strip().lower()
        if not equals:
            raise UsageError(f"--filter {word}: expected NAME=VALUE")
        if name not in known:
            raise UsageError(f"--filter {word}: unknown name {name!r}", hint=f"there are {', '.join(sorted(known))}")
        found.setdefault(name, []).append(value.strip())
    return found


LABELS = frozenset({"label", "label!"})
"""With ``label!=`` as docker's and podman's prune have it."""


def labels_pass(labels: Mapping[str, str], wanted: Filters) -> bool:
    """Whether all that ``label=`` names are there, and nothing that a ``label!=`` names."""
    return all(_has(labels, word) for word in wanted.get("label", ())) and not any(
        _has(labels, word) for word in wanted.get("label!", ())
    )


def _has(labels: Mapping[str, str], word: str) -> bool:
    name, equals, value = word.partition("=")
    return name in labels and (not equals or labels[name] == value)
