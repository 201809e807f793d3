"""Rules about stages: their names, the images they begin with, and what they have in common."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import dropwhile
from typing import Final

from lading.build.checks.subject import Remark, Subject
from lading.build.convert.trace import Head
from lading.build.dockerfile.expansion import expand
from lading.build.dockerfile.instructions import Stage
from lading.build.errors import TextError, suggestion
from lading.registry.reference import Reference
from lading.store.errors import InputError
from lading.store.oci.platforms import normalise, parse_platform

_RESERVED: Final = ("context", "scratch")
_TARGET: Final = "TARGETPLATFORM"


def duplicate_stage_name(subject: Subject) -> Iterator[Remark]:
    """Two stages have one name."""
    seen: set[str] = set()
    for stage in _stages(subject):
        name = stage.head.name
        if name in seen:
            yield Remark(stage.head.place, f"a second stage named {name!r}: give each its own name")
        if name:
            seen.add(name)


def reserved_stage_name(subject: Subject) -> Iterator[Remark]:
    """A stage is named as something else is."""
    for stage in _stages(subject):
        if stage.head.name in _RESERVED:
            yield Remark(stage.head.place, f"{stage.head.name!r} already means something: choose another name")


def consistent_instruction_casing(subject: Subject) -> Iterator[Remark]:
    """An instruction is in another case than most of them."""
    if subject.dockerfile is None:
        return
    nodes = list(dropwhile(lambda node: node.word.lower() != "from", subject.nodes.values()))
    lower = sum(node.word == node.word.lower() for node in nodes)
    upper = sum(node.word == node.word.upper() for node in nodes)
    most, case = (str.lower, "lower") if lower > upper else (str.upper, "upper")
    for node in nodes:
        if node.word != most(node.word):
            yield Remark(node.place, f"{node.word!r} is in another case than most: write it in {case} case")


def undefined_arg_in_from(subject: Subject) -> Iterator[Remark]:
    """FROM uses what no ARG before it declares."""
    for head in subject.trace.heads:
        unset = {*head.base.unset, *(head.platform.unset if head.platform else ())}
        for name in sorted(unset - head.known):
            message = f"no ARG before the first FROM declares {name}{suggestion(name, head.known)}"
            yield _of(subject, head, message)


def redundant_target_platform(subject: Subject) -> Iterator[Remark]:
    """``--platform=$TARGETPLATFORM``."""
    for head in subject.trace.heads:
        found = head.platform
        if (
            found
            and set(found.used) == {_TARGET}
            and not found.unset
            and found.text == subject.trace.scope.get(_TARGET)
        ):
            yield _of(subject, head, f"--platform={head.stage.head.platform} is what FROM does anyway: leave it out")


def from_platform_flag_const_disallowed(subject: Subject) -> Iterator[Remark]:
    """A platform is written out, and the stage's name does not say that it is meant."""
    for head in subject.trace.heads:
        found = head.platform
        if found is None or found.used or found.unset:
            continue
        try:
            platform = parse_platform(found.text)
        except InputError:
            continue
        name = head.stage.head.name or ""
        if platform.os not in name and platform.architecture not in name:
            message = f"--platform={found.text} is the same for every build: use $BUILDPLATFORM, or name the stage so"
            yield _of(subject, head, message)


def invalid_default_arg_in_from(subject: Subject) -> Iterator[Remark]:
    """Without arguments of the call, FROM names no image."""
    for stage in _stages(subject) if subject.trace.scoped else ():
        escape = subject.source.escape
        try:
            name = expand(stage.head.image, subject.trace.scope, escape=escape).text
        except TextError:
            return
        try:
            Reference.parse(name)
        except InputError:
            message = f"without a value from the call, {stage.head.image} names no image: give its ARG a default"
            yield Remark(stage.head.place, message)


def invalid_base_image_platform(subject: Subject) -> Iterator[Remark]:
    """A base image is for another platform than it was asked for."""
    for found in subject.trace.bases:
        theirs, wanted = normalise(found.platform), found.wanted
        if (theirs.os, theirs.architecture) != (wanted.os, wanted.architecture):
            yield Remark(found.stage.head.place, f"the base image {found.name} is for {theirs}, and not for {wanted}")


def _stages(subject: Subject) -> tuple[Stage, ...]:
    return subject.dockerfile.stages if subject.dockerfile else ()


def _of(subject: Subject, head: Head, message: str) -> Remark:
    return Remark(head.stage.head.place, message, subject.node(head.stage))
