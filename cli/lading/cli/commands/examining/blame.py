"""`lading blame`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from lading.cli.calls.option_values import OutputForm, access, short
from lading.cli.cli_session import CliSession
from lading.cli.commands.examining.differences import SHOWN
from lading.cli.display.output import escape, size
from lading.store.archives.trees import text
from lading.store.oci.platforms import parse_platform

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import AuthFile, Creds, TlsVerify
    from lading.host.examining.blaming import BlamedFile, Shares
    from lading.host.examining.file_origins import FileSource
    from lading.verify.documents.statements import ResourceDescriptor


def blame(
    ctx: typer.Context,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="Name, digest or ID of an image")],
    path: Annotated[
        str | None, typer.Argument(metavar="PATH", help="A file in it; without one, the shares of all")
    ] = None,
    format_: Annotated[OutputForm, typer.Option("--format", help="How to show it")] = OutputForm.text,
    platform: Annotated[str | None, typer.Option(metavar="OS/ARCH[/VARIANT]", help="Not this machine's own")] = None,
    tls_verify: TlsVerify = None,
    authfile: AuthFile = None,
    creds: Creds = None,
) -> None:
    """Show which step, input and package a file comes from.

    Without a path, what share of files and bytes comes from signed, pinned or recorded sources.
    """
    from lading.host.examining.blaming import blame_all, blame_file  # noqa: PLC0415

    session = CliSession.of(ctx)
    access(session, tls_verify, authfile, creds, image)
    image = session.host.images.of_platform(image, parse_platform(platform) if platform else None)
    as_json = format_ is OutputForm.json
    if path is None:
        shares = blame_all(session.host, image)
        lines = [json.dumps(_json_shares(shares), indent=2)] if as_json else list(_shares(shares))
    else:
        found = blame_file(session.host, image, path)
        lines = [json.dumps(_json_file(found), indent=2)] if as_json else list(_file(found))
    for line in lines:
        session.output.result(line)


def _file(found: BlamedFile) -> Iterator[str]:
    source, node = found.source, found.node
    content = f" sha256:{node.sha256[:12]}, {size(node.size)}" if node.kind == "file" else ""
    yield f"/{escape(text(found.path))}  {node.kind}{content}"
    yield f"  layer    {node.layer + 1} of {found.layers}, of {escape(_shown(source.image))}"
    if source.step:
        line = f"line {source.line}" if source.line else "a package set"
        stage = f", stage {source.stage}" if source.stage else ""
        yield f"  step     {escape(source.step)} ({escape(line + stage)})"
    if source.base:
        yield f"  base     {escape(source.base.reference)} {source.base.manifest} ({source.base.status})"
    if source.package:
        yield f"  package  {escape(source.package.url)}"
    if source.archive:
        yield f"  archive  {escape(_resource(source.archive))}"
    if source.release:
        signers = source.release.annotations.get("signedBy")
        by = f", signed by {escape(json.dumps(signers))}" if signers else ""
        yield f"  release  {escape(_resource(source.release))}{by}"
    inputs = source.inputs if not source.archive else ()
    for item, made in inputs[:SHOWN]:
        yield f"  input    {escape(_resource(item))}{f' made by {escape(made)}' if made else ''}"
    if len(inputs) > SHOWN:
        yield f"  input    and {len(inputs) - SHOWN} more, which --format json lists"
    if source.revision:
        yield f"  commit   {escape(source.revision.digest.get('gitCommit', '?'))} {escape(source.revision.uri or '')}"
    yield f"  source   {_meaning(source)}"


def _shown(image: str) -> str:
    return image if image.startswith(("sha256:", "oci:")) else short(image)


def _resource(item: ResourceDescriptor) -> str:
    digest = next(iter(item.digest.items()), ("", ""))
    return f"{item.name or item.uri} {digest[0]}:{digest[1]}"


_MEANINGS = {
    "signed": "signed: it chains to a signature that was checked",
    "pinned": "pinned: made of nothing but inputs on record by digest",
    "recorded": "recorded: made of inputs and of answers of the web that are all on record by digest",
    "executed": "executed: written by a command that could reach more than its inputs",
    "unknown": "unknown: no record speaks of this layer",
}


def _meaning(source: FileSource) -> str:
    trusted = "" if source.trusted or source.source == "unknown" else "; says a record that the policy does not trust"
    return _MEANINGS[source.source] + trusted


def _shares(found: Shares) -> Iterator[str]:
    files, total = found.count()
    traced, traced_size = found.traced
    share = f"{1000 * traced_size // total / 10 if total else 100} %"
    yield (
        f"{escape(_shown(found.image))}: {traced:,} of {files:,} files, {share} of {size(total)}, "
        "traced to a signed, pinned or recorded source"
    )
    for kind in ("signed", "pinned", "recorded", "executed", "unknown"):
        count, bytes_ = found.count(kind)
        if count:
            yield f"  {kind:9} {count:>8,} files  {size(bytes_):>8}"
    for item in found.shares:
        known = item.known
        step = escape(known.step or (known.base.reference if known.base else "no record"))
        yield f"  layer {item.layer + 1:<3} {item.source:9} {item.files:>8,} files  {size(item.size):>8}  {step}"


def _json_shares(found: Shares) -> dict[str, object]:
    files, total = found.count()
    traced, traced_size = found.traced
    return {
        "files": files,
        "bytes": total,
        "traced": {"files": traced, "bytes": traced_size},
        "shares": [
            {
                "layer": item.layer + 1,
                "source": item.source,
                "files": item.files,
                "bytes": item.size,
                "step": item.known.step or None,
                "trusted": item.known.trusted,
            }
            for item in found.shares
        ],
    }


def _json_file(found: BlamedFile) -> dict[str, object]:
    source = found.source
    return {
        "path": text(found.path),
        "type": found.node.kind,
        "sha256": found.node.sha256 or None,
        "layer": found.node.layer + 1,
        "image": source.image,
        "source": source.source,
        "trusted": source.trusted,
        "step": source.step or None,
        "stage": source.stage,
        "line": source.line,
        "base": source.base.resource().json() if source.base else None,
        "inputs": [{**item.json(), **({"step": made} if made else {})} for item, made in source.inputs],
        "commit": source.revision.json() if source.revision else None,
        "package": source.package.url if source.package else None,
        "archive": source.archive.json() if source.archive else None,
        "release": source.release.json() if source.release else None,
    }
