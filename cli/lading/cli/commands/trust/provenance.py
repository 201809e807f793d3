"""`lading provenance`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, cast

from lading.build.context.revision import DIRTY, GIT
from lading.cli.calls.option_values import OutputForm, access
from lading.cli.cli_session import CliSession
from lading.cli.commands.trust.execution_words import execution_words, summary_words
from lading.cli.display.output import escape, folded
from lading.store.errors import InputError, UsageError
from lading.store.oci.platforms import parse_platform

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import AuthFile, Creds, TlsVerify
    from lading.host.trust.attached_evidence import AttachedDag, AttachedEvidence
    from lading.store.oci.digests import Digest
    from lading.verify.documents.provenance import Provenance
    from lading.verify.documents.statements import ResourceDescriptor
    from lading.verify.judgement.decision import Candidate

_LANE: Final = 7
"""Columns before the words of a step that is drawn."""


def provenance(
    ctx: typer.Context,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="Name, digest or ID of an image or a container")],
    format_: Annotated[
        OutputForm, typer.Option("--format", "-o", "--output", help="json: the statements themselves")
    ] = OutputForm.text,
    json_: Annotated[bool, typer.Option("--json", help="As --format json")] = False,
    graph: Annotated[bool, typer.Option("--graph", help="Draw the steps")] = False,
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the steps into an SVG file")] = None,
    remote: Annotated[bool, typer.Option("--remote", help="What the registry has now, whatever is here")] = False,
    platform: Annotated[str | None, typer.Option(metavar="OS/ARCH[/VARIANT]", help="Not this machine's own")] = None,
    tls_verify: TlsVerify = None,
    authfile: AuthFile = None,
    creds: Creds = None,
) -> None:
    """Show where an image came from and who vouched for it.

    Each statement is marked: trusted by the policy, or merely present. Nothing is let through by this command.
    """
    session = CliSession.of(ctx)
    access(session, tls_verify, authfile, creds, image)
    json_ = json_ or format_ is OutputForm.json
    if json_ and (graph or svg):
        raise UsageError("JSON and a drawing exclude each other")
    if remote and platform:
        raise UsageError("--remote and --platform exclude each other: name the image by its digest")
    image = session.host.images.of_platform(image, parse_platform(platform) if platform else None)
    papers = session.host.attached(image, remote=remote)
    if json_:
        session.output.result(json.dumps([_statement(item) for item in papers.decision.candidates], indent=2))
        return
    if graph or svg is not None:
        _draw(session, papers, svg)
        return
    for line in _words(image, papers):
        session.output.told(line, 9 if line[:5].strip().isdigit() or line.startswith(" " * 7) else 4)


def _statement(candidate: Candidate) -> dict[str, object]:
    statement = candidate.statement
    return {
        "digest": str(candidate.location.manifest),
        "source": candidate.location.source,
        "type": candidate.label,
        "trusted": bool(candidate.trusted_by),
        "signers": [key.json() for key in candidate.trusted_by],
        "statement": None if statement is None else json.loads(statement.raw()),
    }


def _words(image: str, papers: AttachedEvidence) -> list[str]:
    decision = papers.decision
    lines = [f"{escape(image)}: the manifest {decision.manifest}"]
    for candidate in sorted(decision.candidates, key=lambda found: not found.trusted_by):
        lines.append(f"  {_mark(candidate)}: {_label(candidate)} ({candidate.location.manifest.short})")
    shown: set[Digest] = set()
    for build in papers.builds():
        said = "" if build.trusted else ", an untrusted statement"
        lines += ["", f"Built ({build.digest.short}{said}):", *_built(build.provenance)]
        if build.steps and build.steps.digest not in shown:
            lines += ["", *_steps(build.steps)]
        elif build.steps:
            lines.append(f"  by the steps above ({build.steps.digest.short})")
        shown.update([build.steps.digest] if build.steps else [])
    for steps in papers.dags:
        if steps.digest not in shown:
            lines += ["", *_steps(steps)]
    if len(lines) == 1:
        lines.append("  nothing is attached to it")
    return lines


def _mark(candidate: Candidate) -> str:
    if candidate.trusted_by:
        return f"trusted by the policy, signed by {escape(', '.join(map(str, candidate.trusted_by)))}"
    return "merely present"


def _label(candidate: Candidate) -> str:
    return escape(candidate.label) + summary_words(candidate.statement)


def _built(found: Provenance) -> list[str]:
    lines = [f"  by {escape(found.builder_id)}, as {escape(found.build_type)}"]
    if found.started:
        lines.append(f"  from {escape(found.started)} to {escape(found.finished or '?')}")
    for name, value in found.external.items():
        lines.append(f"  {escape(name)}: {escape(_said(value))}")
    for base in found.bases:
        lines.append(f"  on {escape(base.reference)} {base.manifest} ({base.status})")
    others = [item for item in found.dependencies if not (item.name or "").startswith("image:")]
    for item in others:
        digest = next(iter(item.digest.items()), ("", ""))
        if item.name == GIT:
            lines.append(f"  from {escape(_commit(item))}")
            continue
        lines.append(f"  from {escape(item.name or item.uri or '?')} {escape(digest[0])}:{escape(digest[1][:16])}")
    return [*lines, *execution_words(found)]


def _said(value: object) -> str:
    """A value of a JSON document in words: names and values, without its marks."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return ", ".join(f"{name} {_said(inner)}" for name, inner in cast("dict[str, object]", value).items())
    if isinstance(value, list):
        return ", ".join(map(_said, cast("list[object]", value)))
    return json.dumps(value, ensure_ascii=False)


def _commit(item: ResourceDescriptor) -> str:
    dirty = item.annotations.get(DIRTY)
    known = {True: ", with changes beside it", False: ", unchanged"}[dirty] if isinstance(dirty, bool) else ""
    return f"commit {item.digest.get('gitCommit', '?')} of {item.uri or 'a repository'}{known}"


def _steps(steps: AttachedDag) -> list[str]:
    from lading.host.examining.file_origins import step_text  # noqa: PLC0415

    bound = "named by a trusted provenance" if steps.bound else "NOT named by a trusted provenance"
    signed = "every link signed by your key" if steps.signers else "links signed by a key that is not yours"
    lines = [f"Steps ({steps.digest.short}, {bound}; {signed}):"]
    dag = steps.artifact.dag
    for number, node in zip(dag.numbers, dag.nodes, strict=True):
        tree = f"  tree {node.tree.short}" if node.tree else ""
        layer = f"  layer {node.layer.digest.short}" if node.layer else ""
        emulated = "  emulated" if node.emulated else ""
        link = steps.artifact.links[node.link] if node.link is not None else None
        lines.append(f"  {number or '':>3}  {escape(step_text(node, link))}{emulated}{tree}{layer}")
    return lines


def _draw(session: CliSession, papers: AttachedEvidence, svg: Path | None) -> None:
    from lading.cli.display import drawing  # noqa: PLC0415

    if papers.steps is None:
        raise InputError("no record of the steps is attached to it")
    dag = papers.steps.artifact.dag
    if svg is None:
        for line in drawing.text(dag):
            first, *more = folded(line, _LANE, sys.stdout)
            session.output.result("\n".join([first, *(f"│{rest[1:]}" for rest in more)]))
        return
    try:
        svg.write_text(drawing.svg(dag))
    except OSError as error:
        raise InputError(f"--svg {svg}: {error.strerror}") from None
