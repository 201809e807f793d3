"""`lading why`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from lading.cli.cli_session import CliSession
from lading.cli.display.output import escape
from lading.store.errors import InputError

if TYPE_CHECKING:
    import typer

    from lading.verify.documents.dag import DagNode
    from lading.verify.documents.dag_artifact import DagArtifact
    from lading.verify.documents.envelopes import Envelope

    _Step: TypeAlias = tuple[int, DagNode, str, Envelope | None]
    """Its number, itself, its text, which begins with its instruction, and its signed link."""

_ELSEWHERE: Final = "it was not executed here, or that is not remembered any more"


def why(
    ctx: typer.Context,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="Name, digest or ID of an image that was built here")],
    step: Annotated[
        str | None, typer.Argument(metavar="[STEP]", help="Its number, as provenance shows it, or words of it")
    ] = None,
) -> None:
    """Say why the steps of an image were executed.

    It names what was other than in an earlier execution.
    """
    from lading.build.solver.records import StepRecords  # noqa: PLC0415

    session = CliSession.of(ctx)
    attached = session.host.attached(image).steps
    if attached is None:
        raise InputError(f"{image}: no record of its steps is attached to it")
    steps = list(_steps(attached.artifact))
    names = {str(node.tree): f"step {number} ({text})" for number, node, text, _ in steps if node.tree}
    records = StepRecords(session.host.store.index)
    for number, _, text, link in _meant(image, steps, step):
        session.output.result(f"{number:>3}  {escape(text)}")
        found = ("it made nothing",) if link is None else records.of(link, names) or (_ELSEWHERE,)
        for line in found:
            session.output.told(f"     {escape(line)}", 9)


def _steps(steps: DagArtifact) -> Iterator[_Step]:
    from lading.host.examining.file_origins import step_text  # noqa: PLC0415

    for number, node in zip(steps.dag.numbers, steps.dag.nodes, strict=True):
        if number is not None and node.link is not None:
            yield number, node, step_text(node, steps.links[node.link]), steps.envelopes[node.link]
        elif number is not None:
            yield number, node, step_text(node, None), None


def _meant(image: str, steps: list[_Step], step: str | None) -> list[_Step]:
    if step is None:
        found = [one for one in steps if one[1].tree]
    elif step.isdecimal():
        found = [one for one in steps if one[0] == int(step)]
    else:
        found = [one for one in steps if step in one[2] or _as_written(step) in one[2]]
    if not found:
        raise InputError(f"{image} has no step {step}", hint=f"`lading provenance {image}` lists them")
    return found


def _as_written(step: str) -> str:
    """A RUN as a Dockerfile has it, with the shell that it meant."""
    return re.sub(r"^RUN (?=[^/])", "RUN /bin/sh -c ", step)
