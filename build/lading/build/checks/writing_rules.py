"""Rules about how single instructions are written."""

from __future__ import annotations

from collections.abc import Iterator

from lading.build.checks.subject import Remark, Subject
from lading.build.dockerfile.parser import InstructionNode
from lading.build.errors import Place

_LONG_FROM = 3
"""Words of ``FROM image AS name`` after the first."""


def stage_name_casing(subject: Subject) -> Iterator[Remark]:
    """The name of a stage has capitals."""
    for node in _named(subject):
        if node.args[2] != node.args[2].lower():
            yield Remark(node.place, f"the stage name {node.args[2]!r} has capitals: write it in lower case", node)


def from_as_casing(subject: Subject) -> Iterator[Remark]:
    """FROM and AS are in different cases."""
    for node in _named(subject):
        word = node.args[1]
        if node.word == node.word.lower():
            fits = word == word.lower()
        else:
            fits = node.word != node.word.upper() or word == word.upper()
        if not fits:
            yield Remark(node.place, f"{word!r} and {node.word!r} differ in case: write both alike", node)


def _named(subject: Subject) -> Iterator[InstructionNode]:
    return (node for node in subject.nodes.values() if node.word.lower() == "from" and len(node.args) == _LONG_FROM)


def no_empty_continuation(subject: Subject) -> Iterator[Remark]:
    """An instruction goes on after an empty line."""
    for line in subject.source.empty:
        yield Remark(
            Place(subject.source.name, line, line),
            "an empty line inside this instruction: take it out, or the escape before it; it will become an error",
        )


def maintainer_deprecated(subject: Subject) -> Iterator[Remark]:
    """MAINTAINER is used."""
    for node in subject.nodes.values():
        if node.word.lower() == "maintainer":
            yield Remark(node.place, "MAINTAINER is deprecated: use LABEL org.opencontainers.image.authors=", node)


def invalid_definition_description(subject: Subject) -> Iterator[Remark]:
    """The comment right above an ARG or a named FROM describes something else."""
    for node in subject.nodes.values():
        names = _defined(node)
        if names and node.comments and node.comments[-1].split(" ")[0] not in names:
            message = f"the comment above does not begin with {names[0]}: if it describes something else, part it by #"
            yield Remark(node.place, message, node)


def _defined(node: InstructionNode) -> list[str]:
    word = node.word.lower()
    if word == "arg":
        return [arg.partition("=")[0] for arg in node.args]
    return [node.args[2].lower()] if word == "from" and len(node.args) == _LONG_FROM else []
