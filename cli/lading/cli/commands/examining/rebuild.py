"""`lading rebuild`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from lading.cli.calls.option_values import OutputForm, access, pairs, short
from lading.cli.calls.step_options import allowances, step_isolation, step_secrets
from lading.cli.cli_session import CliSession
from lading.cli.commands.examining.differences import SHOWN, as_json, lines
from lading.cli.display.build_view import view_for
from lading.cli.display.output import escape
from lading.cli.display.progress_display import ProgressKind
from lading.cli.endings import EndedError, ended_by_signals
from lading.store.archives.trees import text
from lading.store.oci.platforms import parse_platform
from lading.store.system.syscalls import private_mounts

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import AuthFile, Creds, ProgressForm, SignKey, TlsVerify
    from lading.host.examining.rebuilding import Rebuilt

_CONTEXT: Final = "--context names what it was built from"


def rebuild(
    ctx: typer.Context,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="Name, digest or ID of an image that is here")],
    context: Annotated[
        str | None, typer.Option(metavar="DIR", help="What it was built from, where COPY or ADD read any, as for build")
    ] = None,
    build_arg: Annotated[
        list[str] | None,
        typer.Option("--build-arg", metavar="NAME=VALUE", help="A value that the provenance withholds"),
    ] = None,
    build_context: Annotated[
        list[str] | None,
        typer.Option("--build-context", metavar="NAME=SOURCE", help="A context that it was built with by a name"),
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(metavar="id=ID[,src=FILE|,env=NAME]", help="A secret that it was built with"),
    ] = None,
    ssh: Annotated[
        list[str] | None,
        typer.Option(metavar="default|ID=SOCKET|KEYS", help="An agent that it was built with"),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="What its steps could ask for: network.host, security.insecure"),
    ] = None,
    key: SignKey = None,
    format_: Annotated[OutputForm, typer.Option("--format", help="How to show the outcome")] = OutputForm.text,
    platform: Annotated[str | None, typer.Option(metavar="OS/ARCH[/VARIANT]", help="Not this machine's own")] = None,
    progress: ProgressForm = ProgressKind.auto,
    tls_verify: TlsVerify = None,
    authfile: AuthFile = None,
    creds: Creds = None,
) -> None:
    """Build an image again from its provenance, and compare.

    The outcome is signed and attached to the image, for policies and for `provenance`. Exit codes: 0 reproduced,
    1 not reproduced, or it could not be built again.
    """
    from lading.build.attest.recorded_build import GivenAgain  # noqa: PLC0415
    from lading.cli.commands.images.build import context_of, contexts_of  # noqa: PLC0415
    from lading.host.examining.rebuilding import RebuildRequest  # noqa: PLC0415
    from lading.host.examining.rebuilding import rebuild as build_again  # noqa: PLC0415

    session = CliSession.of(ctx)
    session.isolation = step_isolation(None, session.environment)
    access(session, tls_verify, authfile, creds, image)
    folder, source = (Path(), None) if context is None else context_of(_absolute(context), _CONTEXT)
    given = GivenAgain(
        folder,
        source,
        pairs(build_arg, "--build-arg"),
        contexts_of([_named(word) for word in build_context or ()]),
        step_secrets(secret, ssh, session.environment),
        allowances(allow, "default"),
    )
    session.progress = progress
    image = session.host.images.of_platform(image, parse_platform(platform) if platform else None)
    wanted = RebuildRequest(image, given, context is not None, session.key(key), (session.root, session.run))
    private_mounts()
    with ended_by_signals(), view_for(progress, session.output, quiet=format_ is OutputForm.json) as view:
        outcome = build_again(session.host, wanted, view)
    if format_ is OutputForm.json:
        session.output.result(_json(outcome))
    else:
        for line in _words(session, outcome):
            session.output.result(line)
    if not outcome.reproduced:
        raise EndedError(1)


def _absolute(place: str) -> str:
    """What is here by its whole name: a rebuild works in another folder."""
    return os.path.realpath(place) if os.path.exists(place) else place


def _named(word: str) -> str:
    name, equals, place = word.partition("=")
    return f"{name}{equals}{_absolute(place)}"


def _words(session: CliSession, outcome: Rebuilt) -> Iterator[str]:
    style = session.output.style
    digest = outcome.first.manifest.descriptor.digest
    name = escape(outcome.first.name if "sha256:" in outcome.first.name else short(outcome.first.name))
    if outcome.reproduced:
        how = f"by {outcome.by}; steps executed: {outcome.executed}"
        yield f"{style('reproduced', 'green')}  {name} {digest.short}, {how}"
        return
    yield f"{style('NOT reproduced', 'red')}  {name} {digest.short}"
    found = outcome.first_difference
    if found:
        where = f" (line {found.line}" + (f" of stage {found.stage}" if found.stage else "") + ")"
        step = f"{escape(' '.join(found.step.split()))}{escape(where) if found.line else ''}"
        if found.file:
            yield f"  first   /{escape(text(found.file.path))}, written by {step}"
        else:
            yield f"  first   made otherwise by {step}, whose layer is not in the image"
    yield from lines(session.output, (outcome.first, outcome.second), outcome.comparison, SHOWN)


def _json(outcome: Rebuilt) -> str:
    found = outcome.first_difference
    value = {
        "reproduced": outcome.reproduced,
        "by": outcome.by,
        "executed": outcome.executed,
        "step": None
        if found is None
        else {
            "step": found.step,
            "line": found.line,
            "stage": found.stage,
            "file": text(found.file.path) if found.file else None,
        },
        "differences": json.loads(as_json((outcome.first, outcome.second), outcome.comparison, SHOWN)),
    }
    return json.dumps(value, indent=2)
