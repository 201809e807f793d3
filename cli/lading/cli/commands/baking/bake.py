"""`lading bake`."""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lading.build.bake.bake_files import DEFAULT_FILES, GivenFile, read_files
from lading.build.bake.bake_overrides import Override
from lading.build.bake.bake_print import is_elsewhere, printed
from lading.build.bake.bake_selection import select
from lading.build.bake.compose.interpolation import dotenv
from lading.build.bake.definitions.definitions import Surroundings
from lading.build.bake.hcl.hcl_blocks import MAX_FILE
from lading.build.context.remote.addresses import shown
from lading.build.errors import naming_target
from lading.cli.calls.option_values import access, read_input
from lading.cli.calls.shared_options import AuthFile, ProgressForm, TlsVerify
from lading.cli.calls.step_options import step_isolation
from lading.cli.cli_session import CliSession
from lading.cli.commands.baking.bake_lists import show_list
from lading.cli.commands.baking.bake_recordings import recordings
from lading.cli.commands.baking.bake_requests import BakeWords, bake_jobs
from lading.cli.commands.baking.bake_view import BakeView
from lading.cli.commands.images.build import ensure_key, metadata, positive, write_word
from lading.cli.commands.images.check_report import show_findings, show_report
from lading.cli.display.output import escape
from lading.cli.display.progress_display import ProgressKind, emit
from lading.cli.endings import ended_by_signals
from lading.store.errors import InputError, UsageError
from lading.store.system.syscalls import private_mounts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lading.build.bake.bake_selection import Selection
    from lading.build.bake.bake_target import BakeTarget
    from lading.build.graph.request import Built
    from lading.host.baking import BakeJob
    from lading.host.images.build_outputs import BuildOutputs
    from lading.host.trust.signing_keys import SigningKeyText


def bake(
    ctx: typer.Context,
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="[TARGET]...", help="Targets, groups or patterns [default: default]")
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option("-f", "--file", metavar="FILE", help="A bake or Compose file; later ones go over earlier ones"),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="TARGET.FIELD[+]=VALUE", help="What a target, or those of a pattern, have"),
    ] = None,
    var: Annotated[
        list[str] | None, typer.Option("--var", metavar="NAME=VALUE", help="The value of a variable")
    ] = None,
    print_: Annotated[bool, typer.Option("--print", help="Print the targets as JSON, and build nothing")] = False,
    list_: Annotated[
        str | None,
        typer.Option("--list", metavar="targets|variables|groups", help="List what the files define"),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Build nothing: say what the build checks find")] = False,
    push: Annotated[bool, typer.Option("--push", help="Push each target under its tags")] = False,
    load: Annotated[bool, typer.Option("--load", help="Taken: images are in the store anyway")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Execute every step, each once")] = False,
    pull: Annotated[bool, typer.Option("--pull", help="Ask registries for newer bases")] = False,
    sbom: Annotated[bool, typer.Option("--sbom", help="Sign and attach bills of materials to all")] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=PATH]",
            help="What targets may ask for: network.host, security.insecure, ssh, fs.read=PATH, fs.write=PATH, fs=PATH",
        ),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Steps side by side at most, of all targets")
    ] = None,
    network_record: Annotated[
        bool, typer.Option("--network-record", help="Record what steps ask of the web, and keep the answers")
    ] = False,
    network_replay: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[TARGET=]IMAGE",
            help="Answer the steps of a target, or of all, from what was recorded with this image; nothing leaves",
        ),
    ] = None,
    isolation: Annotated[
        str | None,
        typer.Option(
            metavar="auto|oci|rootless|chroot", help="Under what steps are executed [default: the strongest there is]"
        ),
    ] = None,
    sign_key: Annotated[
        str | None, typer.Option(metavar="FILE|env:NAME", help="A private key in cosign's form")
    ] = None,
    metadata_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write digests, names and descriptors to this file, as JSON")
    ] = None,
    progress: ProgressForm = ProgressKind.auto,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only the digests")] = False,
    tls_verify: TlsVerify = None,
    authfile: AuthFile = None,
) -> int:
    """Build the targets of a bake or Compose file in one go, and sign them.

    Standard output has a line for each target: its digest and its name.
    """
    session = CliSession.of(ctx)
    session.isolation = step_isolation(isolation, session.environment)
    access(session, tls_verify, authfile, None)
    session.quiet, session.progress = quiet, progress
    overrides = [*(set_ or ()), *_shorthands(push=push, load=load, no_cache=no_cache, pull=pull, check=check)]
    if sbom:
        overrides.append("*.attest=type=sbom")
    _here((*(targets or ()), *(file or ())))
    around = _surroundings(session, var)
    words = BakeWords.parse(allow, set_ or (), session)
    found = read_files(_files(file, session.environment), around, lambda name: _beside(words.named(name)))
    for text in found.warnings:
        session.output.warn(text)
    if list_ is not None:
        return show_list(session.output, list_, found)
    parsed = [Override.parse(word, session.environment.get) for word in overrides]
    selection = select(found, targets or ["default"], parsed)
    if print_:
        session.output.result(printed(selection, session.environment.get("SOURCE_DATE_EPOCH", "")))
        return 0
    recorded = recordings(session, network_replay, record=network_record, targets=selection.targets)
    wanted = bake_jobs(selection.targets.values(), words, session, recorded)
    if check or any(target.text("call") == "check" for target in selection.targets.values()):
        return _check(session, [job for job, _ in wanted], progress)
    steps = positive(jobs, "--jobs") if jobs is not None else len(os.sched_getaffinity(0))
    gc.enable()
    private_mounts()
    key = session.key(sign_key)
    built = _build(session, [job for job, _ in wanted], key, steps, progress)
    _deliver(session, selection, wanted, built, key)
    if metadata_file:
        texts = {job.name: json.loads(metadata(session, built[job.name], job.request.names)) for job, _ in wanted}
        write_word(metadata_file, "--metadata-file", json.dumps(texts, indent=2) + "\n")
    _report(session, selection, built, {job.name: job.request.names for job, _ in wanted})
    return 0


def _here(words: Iterable[str]) -> None:
    for word in words:
        if is_elsewhere(word):
            raise UsageError(
                f"{shown(word)}: bake files are read from this machine, not from a URL or a git repository",
                hint="clone it, and bake in the clone; contexts may be URLs and git repositories",
            )


def _beside(name: str) -> bytes:
    """A file that a Compose file names, which is no device, and nothing that keeps whoever opens it waiting."""
    if os.path.exists(name) and not os.path.isfile(name):
        raise InputError(f"{name}: not a regular file")
    return read_input(name, "-f", MAX_FILE)


def _shorthands(**given: bool) -> list[str]:
    words = {"push": "push=true", "load": "load=true", "no_cache": "no-cache=true", "pull": "pull=true"}
    words["check"] = "call=check"
    return [f"*.{words[name]}" for name, on in given.items() if on]


def _surroundings(session: CliSession, var: list[str] | None) -> Surroundings:
    from lading.store.oci.platforms import host_platform  # noqa: PLC0415

    given: dict[str, str] = {}
    for word in var or ():
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise UsageError(f"--var {word}: expected NAME=VALUE")
        given[name] = value
    platform = str(host_platform()).removesuffix("/v1") if host_platform().architecture == "amd64" else None
    builtin = {"BAKE_CMD_CONTEXT": "cwd://", "BAKE_LOCAL_PLATFORM": platform or str(host_platform())}
    environment = {} if _disabled(session.environment) else session.environment
    for_compose = dict(environment)
    if os.path.isfile(".env"):
        text = read_input(".env", "-f", MAX_FILE).decode(errors="replace")
        for_compose = {**dotenv(text, environment.get), **environment}
    return Surroundings(
        builtin,
        lambda name: given.get(name, environment.get(name)),
        lambda name: given.get(name, for_compose.get(name)),
        session.environment.get("HOME", "/"),
    )


def _disabled(environment: Mapping[str, str]) -> bool:
    return environment.get("BUILDX_BAKE_DISABLE_VARS_ENV_LOOKUP", "").lower() in ("1", "t", "true")


def _files(named: list[str] | None, environment: Mapping[str, str]) -> list[GivenFile]:
    """Those that were named, by BUILDX_BAKE_FILE too, else those of the usual names that are here."""
    separator = environment.get("BUILDX_BAKE_PATH_SEPARATOR") or os.pathsep
    names = named or [
        name for word in environment.get("BUILDX_BAKE_FILE", "").split(separator) if (name := word.strip())
    ]
    if not names:
        names = [name for name in DEFAULT_FILES if os.path.isfile(name)]
    if not names:
        raise InputError(
            "there is no bake file here", hint=f"-f names one; else it is {', '.join(DEFAULT_FILES[:6])} or the like"
        )
    return [GivenFile(name, read_input(name, "-f", MAX_FILE)) for name in (one.removeprefix("cwd://") for one in names)]


def _check(session: CliSession, jobs: Sequence[BakeJob], progress: ProgressKind) -> int:
    code = 0
    for job in jobs:
        with naming_target(job.name), BakeView.opened(progress, session.output, quiet=session.quiet) as view:
            report = session.host.check(job.request, pull=job.pull, listener=view.of(job.name))
        if len(jobs) > 1 and not session.quiet:
            session.output.note(f"{job.name}:")
        code = max(code, show_report(session, report, "text"))
    return code


def _build(
    session: CliSession, jobs: Sequence[BakeJob], key: SigningKeyText | None, steps: int, progress: ProgressKind
) -> dict[str, Built]:
    from lading.host.baking import bake as bake_all  # noqa: PLC0415

    if key is None:
        ensure_key(session)
    several = len(jobs) > 1
    with (
        ended_by_signals(),
        BakeView.opened(progress, session.output, quiet=session.quiet, several=several) as view,
    ):
        return bake_all(session.host, jobs, sign_key=key, listener=view.of, steps=steps)


def _deliver(
    session: CliSession,
    selection: Selection,
    wanted: Sequence[tuple[BakeJob, BuildOutputs]],
    built: Mapping[str, Built],
    key: SigningKeyText | None,
) -> None:
    for job, outputs in wanted:
        with naming_target(job.name):
            _deliver_one(session, selection.targets[job.name], job, outputs, built[job.name], key)


def _deliver_one(
    session: CliSession,
    target: BakeTarget,
    job: BakeJob,
    outputs: BuildOutputs,
    made: Built,
    key: SigningKeyText | None,
) -> None:
    if any(entry.get("type") == "sbom" and not entry.get("disabled") for entry in target.entries("attest")):
        from lading.host.examining.sboms import attach_sboms  # noqa: PLC0415

        for image in made.images or (made.descriptor,):
            attach_sboms(session.host, str(image.digest), key)
    session.host.transfers.deliver(made.descriptor, job.request.names, outputs=outputs.places, push=outputs.push)


def _report(
    session: CliSession, selection: Selection, built: Mapping[str, Built], names: Mapping[str, tuple[str, ...]]
) -> None:
    said = set[str]()
    for name, one in built.items():
        for base in one.bases:
            if base.status not in ("verified", "none") and not base.reference.startswith("target:"):
                said.add(f"{name} stands on {base.reference}, which is {base.status}")
        if not session.quiet:
            show_findings(session, one.findings)
    for line in sorted(said):
        session.output.warn(line)
    for name, target in selection.targets.items():
        digest = str(built[name].descriptor.digest)
        if session.progress == ProgressKind.json and not session.quiet:
            emit("built", target=name, digest=digest, names=list(names[name]))
        if not target.linked:
            session.output.result(escape(f"{digest}  {name}"))
    sys.stdout.flush()
