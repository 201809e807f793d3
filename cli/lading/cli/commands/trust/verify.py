"""`lading verify`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from lading.cli.calls.option_values import OutputForm, access, pairs
from lading.cli.cli_session import CliSession
from lading.store.errors import LadingError, UsageError
from lading.store.fastclass import dataclass
from lading.store.oci.platforms import parse_platform

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import AuthFile, Creds, ImagesArgument, TlsVerify
    from lading.host.trust.launch_gate import Spot
    from lading.store.oci.descriptors import Platform
    from lading.verify.judgement.verifier import Verifier

_WORST = (5, 3, 4, 0)
"""Exit codes of several images: the first of these that occurs."""


def verify(
    ctx: typer.Context,
    images: ImagesArgument,
    policy: Annotated[Path | None, typer.Option(metavar="FILE", help="Judge by this policy, not by your own")] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="Ask for this public key, and by no policy")] = None,
    type_: Annotated[
        list[str] | None, typer.Option("--type", metavar="TYPE", help="With --key: ask for attestations of this type")
    ] = None,
    annotation: Annotated[
        list[str] | None, typer.Option("-a", "--annotation", metavar="NAME=VALUE", help="With --key: ask for these")
    ] = None,
    local: Annotated[bool, typer.Option("--local", help="Only what is in the local store")] = False,
    remote: Annotated[bool, typer.Option("--remote", help="What the registry has now, whatever is here")] = False,
    format_: Annotated[
        OutputForm, typer.Option("--format", "-o", "--output", help="How to show the outcome")
    ] = OutputForm.text,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="List all evidence")] = False,
    platform: Annotated[str | None, typer.Option(metavar="OS/ARCH[/VARIANT]", help="Not this machine's own")] = None,
    tls_verify: TlsVerify = None,
    authfile: AuthFile = None,
    creds: Creds = None,
) -> int:
    """Judge images by the policy, as a launch would.

    Without --local or --remote, what `run` would run is judged: the local image, else the registry's. Exit codes:
    0 accepted, 3 refused, 4 nothing to judge by, 5 could not check; of several images 5, then 3, then 4.
    """
    session = CliSession.of(ctx)
    access(session, tls_verify, authfile, creds, *images)
    if local and remote:
        raise UsageError("--local and --remote exclude each other")
    if policy is not None and key is not None:
        raise UsageError("--policy and --key exclude each other")
    if (type_ or annotation) and key is None:
        raise UsageError("--type and -a go with --key; a policy says itself what it asks for")
    session.policy = policy
    session.verbose = session.verbose or verbose
    try:
        verifier = _verifier(session, key, type_ or [], pairs(annotation, "-a"))
    except LadingError as error:
        if format_ is OutputForm.text:
            raise _uncheckable(error) from None
        return max(_failed(session, image, _uncheckable(error), format_) for image in images)
    wanted = Judged("local" if local else "remote" if remote else "any", parse_platform(platform) if platform else None)
    codes = {_judge(session, verifier, image, wanted, format_) for image in images}
    return next(code for code in _WORST if code in codes)


@dataclass(frozen=True, slots=True)
class Judged:
    """Where images are looked for, and which of an index."""

    place: Spot
    platform: Platform | None


def _verifier(session: CliSession, key: Path | None, types: list[str], annotations: dict[str, str]) -> Verifier:
    if key is None:
        return session.host.verifiers.own
    return session.host.verifiers.by_key(key, types, annotations)


def _judge(session: CliSession, verifier: Verifier, image: str, wanted: Judged, form: OutputForm) -> int:
    from lading.cli.commands import verdicts  # noqa: PLC0415
    from lading.verify.judgement.errors import GateError  # noqa: PLC0415

    try:
        case = session.host.gate.input_at(image, verifier, place=wanted.place, platform=wanted.platform)
    except LadingError as error:
        return _failed(session, image, _uncheckable(_hinted(session, image, error)), form)
    try:
        verdict = case.verdict(verifier)
    except GateError as error:
        if form is OutputForm.json:
            _say(session, image, {"where": case.where, **error.decision.json()})
        else:
            verdicts.refused(session.output, error, name=image, verbose=session.verbose)
        return error.exit_code
    if form is OutputForm.json:
        _say(session, image, {"where": case.where, **verdict.decision.json()})
    else:
        verdicts.accepted(session.output, image, case.where, verdict, verbose=session.verbose)
    return 0


def _hinted(session: CliSession, image: str, error: LadingError) -> LadingError:
    """`error`, with a word where it is a container that is called so: `run` would take no image from there."""
    digest = session.host.image_of_container(image)
    if digest is not None:
        error.hint = f"a container is called so; `lading verify {digest[7:19]}` judges its image"
    return error


def _uncheckable(error: LadingError) -> LadingError:
    from lading.host.trust.launch_gate import unknown  # noqa: PLC0415

    return unknown(error)


def _failed(session: CliSession, image: str, error: LadingError, form: OutputForm) -> int:
    from lading.cli.commands import verdicts  # noqa: PLC0415

    if form is OutputForm.json:
        _say(session, image, verdicts.failure(error))
    else:
        session.output.error(error)
    return error.exit_code


def _say(session: CliSession, image: str, value: dict[str, object]) -> None:
    session.output.result(json.dumps({"image": image, **value}))
