"""Contexts that have to be those of an earlier build: held to the roots on record before anything is executed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lading.build.context.taken_files import TakenFiles, together
from lading.build.graph.steps.step import Step
from lading.store.errors import InputError
from lading.store.index import Index
from lading.store.oci.digests import Digest


def check_contexts(
    expected: Mapping[str, Digest],
    steps: Sequence[Step],
    taken: Callable[[Step], Mapping[str, tuple[TakenFiles, ...]]],
    index: Index,
) -> None:
    """Raises `InputError` for a context whose files that `steps` take have another root than is expected."""
    found: dict[str, list[TakenFiles]] = {}
    for step in steps:
        for name, files in taken(step).items():
            found.setdefault(name, []).extend(files)
    for name, every in found.items():
        whole = together(every, index)
        root = whole.root if whole else None
        if root != expected.get(name):
            option = f"build-context {name}" if name else "context"
            raise InputError(
                f"{option}: not what the image was built from: what is used of it has the root {root}, "
                f"recorded is {expected.get(name)}",
                option=option.partition(" ")[0],
            )
