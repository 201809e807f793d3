"""`lading why`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final

from lading.cli.cli_session import CliSession
from lading.cli.display.output import escape
from lading.store.errors import InputError

if TYPE_CHECKING:
    import typer

    from lading.verify.documents.dag import Dag, DagNode

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
    dags = session.host.attached(image).dags
    if not dags:
        raise InputError("no record of the steps is attached to it")
    dag = dags[0].artifact.dag
    names = {str(node.tree): f"step {number} ({node.step})" for number, node in enumerate(dag.nodes) if node.tree}
    records = StepRecords(session.host.store.index)
    for number, node in _meant(dag, step):
        session.output.result(f"{number:>3}  {escape(node.step)}")
        found = (
            ("it made nothing",) if node.tree is None else records.made(node.tree, node.step, names) or (_ELSEWHERE,)
        )
        for line in found:
            session.output.told(f"     {escape(line)}", 9)


def _meant(dag: Dag, step: str | None) -> Iterator[tuple[int, DagNode]]:
    nodes = list(enumerate(dag.nodes))
    if step is None:
        found = [(number, node) for number, node in nodes if node.tree]
    elif step.isdecimal():
        found = [(number, node) for number, node in nodes if number == int(step)]
    else:
        found = [(number, node) for number, node in nodes if step in node.step]
    if not found:
        raise InputError(f"it has no step {step}", hint="lading provenance lists them")
    yield from found
