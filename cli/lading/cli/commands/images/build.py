"""`lading build`."""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypedDict

from lading.build.context.remote.addresses import Repository, WebFile, repository, web_file
from lading.build.context.revision import revision_of
from lading.build.convert.target_platforms import targets
from lading.build.errors import TextError
from lading.build.graph.request import BuildRequest, Built, ImageContext, NamedContext, PackedContext
from lading.build.graph.steps.network_recording import NetworkRecording
from lading.cli.calls.option_values import access, pairs, read_input, short
from lading.cli.calls.step_options import allowances, step_isolation, step_network, step_secrets, step_settings
from lading.cli.cli_session import CliSession
from lading.cli.commands.images.check_report import show_findings, show_report
from lading.cli.display.build_view import view_for
from lading.cli.display.output import escape
from lading.cli.display.progress_display import ProgressKind, emit
from lading.cli.endings import ended_by_signals
from lading.store.errors import InputError, LadingError, UsageError
from lading.store.oci.platforms import host_platform
from lading.store.system.patterns import pattern
from lading.store.system.syscalls import private_mounts

if TYPE_CHECKING:
    from collections.abc import Mapping

    import typer

    from lading.cli.calls.shared_options import AuthFile, Creds, ProgressForm, TlsVerify
    from lading.cli.commands.step_shell import StepShell
    from lading.host.build_caches import CacheNames
    from lading.host.images.build_outputs import BuildOutputs

_NOWHERE: Final = Path(os.devnull)
_MAX_DOCKERFILE: Final = 10 * 1024 * 1024
_DESCRIPTOR: Final = pattern(r"/dev/stdin|/dev/fd/[0-9]+|/proc/self/fd/[0-9]+")


class Settings(TypedDict, total=False):
    """What a request has a default for."""

    builder_id: str
    jobs: int


def build(
    ctx: typer.Context,
    context: Annotated[
        str, typer.Argument(metavar="CONTEXT", help="Where COPY and ADD read: a folder, an archive, a URL, git, or -")
    ],
    file: Annotated[
        str | None,
        typer.Option(
            "-f",
            "--file",
            metavar="FILE",
            help="A Dockerfile (- is standard input), or a .toml file of Debian packages [default: CONTEXT/Dockerfile]",
        ),
    ] = None,
    tag: Annotated[list[str] | None, typer.Option("-t", "--tag", metavar="NAME[:TAG]", help="What to call it")] = None,
    build_arg: Annotated[
        list[str] | None, typer.Option("--build-arg", metavar="NAME[=VALUE]", help="The value of an ARG")
    ] = None,
    build_context: Annotated[
        list[str] | None,
        typer.Option("--build-context", metavar="NAME=SOURCE", help="What FROM and --from mean by a name"),
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="STAGE", help="Build only up to this stage")] = None,
    label: Annotated[
        list[str] | None, typer.Option("--label", metavar="NAME=VALUE", help="A label of the image")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Execute every step")] = False,
    no_cache_filter: Annotated[
        list[str] | None,
        typer.Option("--no-cache-filter", metavar="STAGE[,STAGE]", help="Execute every step of these stages"),
    ] = None,
    cache_from: Annotated[
        list[str] | None,
        typer.Option("--cache-from", metavar="type=local|registry,…", help="Take what signed entries of it have"),
    ] = None,
    cache_to: Annotated[
        list[str] | None,
        typer.Option("--cache-to", metavar="type=local|registry|inline,…", help="Give it what is built, signed"),
    ] = None,
    why: Annotated[
        bool, typer.Option("--why", help="Say of every step that is executed why it was not cached")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Open a shell where a RUN fails, with all that it had (steps one by one)")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Steps side by side at most [default: as many as CPUs]")
    ] = None,
    pull: Annotated[bool, typer.Option("--pull", help="Ask registries and archives for newer bases")] = False,
    push: Annotated[bool, typer.Option("--push", help="Push it under every name")] = False,
    sign_key: Annotated[
        str | None, typer.Option(metavar="FILE|env:NAME", help="A private key in cosign's form")
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DEST",
            help="And write it to oci:DIR, oci-archive:FILE, docker-archive:FILE (or type=oci,dest=FILE),"
            " or its files to a folder DIR or a tar (type=tar,dest=FILE, or - for standard output)",
        ),
    ] = None,
    iidfile: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the digest to this file")] = None,
    metadata_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write digest, names and descriptor to this file, as JSON")
    ] = None,
    annotation: Annotated[
        list[str] | None, typer.Option("--annotation", metavar="NAME=VALUE", help="An annotation of the manifest")
    ] = None,
    compression: Annotated[str, typer.Option(metavar="zstd|gzip", help="Of the layers")] = "zstd",
    platform: Annotated[
        list[str] | None,
        typer.Option(metavar="OS/ARCH[,…]", help="What it is for; of several an index [default: this machine's own]"),
    ] = None,
    context_modes: Annotated[
        str, typer.Option(metavar="keep|normal", help="normal maps modes of context files to 0644 and 0755")
    ] = "keep",
    provenance: Annotated[
        str, typer.Option(metavar="mode=min|mode=max", help="max records the values of all build arguments")
    ] = "mode=min",
    sbom: Annotated[
        bool, typer.Option("--sbom", help="Sign and attach bills of materials, SPDX and CycloneDX")
    ] = False,
    git: Annotated[
        bool, typer.Option("--git/--no-git", help="Name the context's commit, remote and changes in the provenance")
    ] = True,
    secret: Annotated[
        list[str] | None,
        typer.Option(metavar="id=ID[,src=FILE|,env=NAME]", help="What RUN --mount=type=secret shows to a step"),
    ] = None,
    ssh: Annotated[
        list[str] | None,
        typer.Option(metavar="default|ID=SOCKET|KEYS", help="An agent that RUN --mount=type=ssh lends to a step"),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="What steps may ask for: network.host, security.insecure"),
    ] = None,
    network: Annotated[
        str, typer.Option(metavar="default|none|host", help="The network of steps that name none")
    ] = "default",
    network_record: Annotated[
        bool, typer.Option("--network-record", help="Record what steps ask of the web, and keep the answers")
    ] = False,
    network_replay: Annotated[
        str | None,
        typer.Option(metavar="IMAGE", help="Answer steps from what was recorded with this image; nothing leaves"),
    ] = None,
    isolation: Annotated[
        str | None,
        typer.Option(
            metavar="auto|oci|rootless|chroot", help="Under what steps are executed [default: the strongest there is]"
        ),
    ] = None,
    add_host: Annotated[
        list[str] | None, typer.Option(metavar="HOST=IP", help="A line of /etc/hosts for the steps")
    ] = None,
    shm_size: Annotated[str | None, typer.Option(metavar="SIZE", help="Of /dev/shm for the steps")] = None,
    ulimit: Annotated[
        list[str] | None, typer.Option(metavar="NAME=SOFT[:HARD]", help="A limit of the steps' processes")
    ] = None,
    builder_id: Annotated[str | None, typer.Option(metavar="URI", help="Who builds, as the provenance says")] = None,
    always: Annotated[bool, typer.Option("--load", "--rm", "--force-rm", hidden=True)] = False,
    progress: ProgressForm = ProgressKind.auto,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Build nothing: say what the build checks find, and exit with 1 if it is anything"
        ),
    ] = False,
    form: Annotated[str, typer.Option("--format", metavar="text|json", help="Of what --check says")] = "text",
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only the digest")] = False,
    tls_verify: TlsVerify = None,
    authfile: AuthFile = None,
    creds: Creds = None,
) -> int:
    """Build an image from a Dockerfile or a Debian package set, and sign it.

    The last line of standard output is the digest, at a terminal with name and signer; everything else goes to
    standard error.
    """
    from lading.host.images.images import Images  # noqa: PLC0415

    del always  # what these ask for is so
    session = CliSession.of(ctx)
    access(session, tls_verify, authfile, creds, *(tag or ()))
    session.quiet, session.progress = quiet, progress
    outputs = _outputs(output)
    (folder, source), file = context_of(context), file or None
    if compression not in ("zstd", "gzip"):
        raise UsageError(f"--compression {compression}: expected zstd or gzip")
    _one_of(context_modes, ("keep", "normal"), "--context-modes")
    _one_of(form, ("text", "json"), "--format")
    _one_of(provenance, ("mode=min", "mode=max", "min", "max"), "--provenance")
    text = None if file is None else _piped(file, folder)
    if text is not None and context == "-":
        raise UsageError("standard input is either the context or the Dockerfile, not both")
    session.isolation = step_isolation(isolation, session.environment)
    lent = step_secrets(secret, ssh, session.environment)
    settings: Settings = {"builder_id": builder_id} if builder_id else {}
    if jobs is not None:
        settings["jobs"] = positive(jobs, "--jobs")
    if debug:
        settings["jobs"] = 1  # one has the terminal
    request = BuildRequest(
        context=folder,
        source=source,
        contexts=contexts_of(build_context),
        file=None if file is None or text is not None else Path(file) if source else _file(file),
        dockerfile=text,
        names=tuple(Images.new_name(name).name for name in (*(tag or ()), *outputs.names)),
        arguments=_arguments(build_arg, session.environment),
        target=target,
        **annotations_of(annotation, len(targets(platform or (), host_platform()))),  # type: ignore[arg-type]
        labels=pairs([word if "=" in word else f"{word}=" for word in label or ()], "--label"),
        platforms=tuple(filter(None, platform or ())),
        no_cache=no_cache,
        compression="zstd" if compression == "zstd" else "gzip",
        epoch=epoch(session.environment),
        normal_modes=context_modes == "normal",
        show_arguments=provenance.endswith("max"),
        revision=revision_of(folder, session.environment) if git and source is None else None,
        private=(session.root, session.run),
        network=step_network(network),
        allow=allowances(allow, network),
        settings=step_settings(add_host, shm_size, ulimit),
        no_cache_stages=frozenset(name.lower() for words in no_cache_filter or () for name in words.split(",") if name),
        why=why,
        recording=recording(session, network_replay, record=network_record),
        **settings,
    )
    debugger = _debugger(session, quiet=quiet) if debug else None
    push = push or outputs.push
    outputs.check(len(targets(request.platforms, host_platform())))
    if push and not request.names:
        raise UsageError("--push needs a name to push to: give one with -t")
    if check:
        with view_for(progress, session.output, quiet=quiet) as view:
            report = session.host.check(request, pull=pull, listener=view)
        return show_report(session, report, form)
    shared = caches(cache_from or [], cache_to or [], request.arguments)
    gc.enable()
    # However this process ends, no mount of it is left; a network namespace that was bound goes with it, too.
    private_mounts()
    key = session.key(sign_key)
    if key is None:
        ensure_key(session)
    with ended_by_signals(), view_for(progress, session.output, quiet=quiet) as view:
        built = session.host.build(
            request, sign_key=key, pull=pull, listener=view, secrets=lent, caches=shared, debugger=debugger
        )
    if sbom:
        from lading.host.examining.sboms import attach_sboms  # noqa: PLC0415

        for image in built.images or (built.descriptor,):
            attach_sboms(session.host, str(image.digest), key)
    session.host.transfers.deliver(built.descriptor, request.names, outputs=outputs.places, push=push)
    write_word(iidfile, "--iidfile", str(built.descriptor.digest))
    if metadata_file:
        write_word(metadata_file, "--metadata-file", metadata(session, built, request.names))
    _report(session, built, request.names, quiet=quiet, streamed=outputs.streamed)
    return 0


def recording(session: CliSession, replayed: str | None, *, record: bool) -> NetworkRecording | None:
    """How what steps ask of the web is recorded, or replayed. Raises `UsageError`."""
    if replayed is None:
        return NetworkRecording() if record else None
    if record:
        raise UsageError("--network-record asks the web, --network-replay nobody: give one of them")
    from lading.host.examining.recorded_networks import replaying  # noqa: PLC0415

    return replaying(session.host, replayed)


def _debugger(session: CliSession, *, quiet: bool) -> StepShell:
    from lading.cli.commands.step_shell import StepShell  # noqa: PLC0415

    if quiet or session.progress == ProgressKind.json:
        raise UsageError("--debug is for people: without -q and --progress json")
    return StepShell(session.output)


def _one_of(value: str, known: tuple[str, ...], option: str) -> None:
    if value not in known:
        raise UsageError(f"{option} {value}: expected one of {', '.join(known)}")


def caches(sources: list[str], targets: list[str], arguments: Mapping[str, str]) -> CacheNames | None:
    """Caches elsewhere, as words name them, and the argument that asks for an inline one. Raises `UsageError`."""
    from lading.build.dockerfile.directives import INLINE_CACHE  # noqa: PLC0415
    from lading.build.dockerfile.instruction_values import TRUE  # noqa: PLC0415

    if arguments.get(INLINE_CACHE) in TRUE:
        targets = [*targets, "type=inline"]
    if not sources and not targets:
        return None
    from lading.host.build_caches import CacheNames  # noqa: PLC0415

    return CacheNames.parse(sources, targets)


def positive(number: int, option: str) -> int:
    """A number of at least 1. Raises `UsageError`."""
    if number < 1:
        raise UsageError(f"{option} {number}: expected 1 or more")
    return number


def context_of(
    context: str, hint: str = "the last word is the build context, often just ."
) -> tuple[Path, PackedContext | WebFile | Repository | None]:
    """A folder, or what the context is brought from: an archive or a Dockerfile, a URL, a git repository."""
    folder = Path(context)
    if context == "-":
        return _NOWHERE, PackedContext("-", lambda: sys.stdin.buffer)
    if folder.is_dir():
        return folder, None
    try:
        elsewhere = _hub(context) or repository(context) or web_file(context)
    except TextError as error:
        raise UsageError(f"{context}: {error}") from None
    if elsewhere is not None:
        return _NOWHERE, elsewhere
    if folder.is_file():
        return _NOWHERE, PackedContext(context, lambda: open(folder, "rb"))
    raise InputError(f"{context}: not a folder", hint=hint)


def contexts_of(words: list[str] | None) -> dict[str, NamedContext]:
    """``NAME=`` a folder, an archive, a URL, git, or docker-image:// and an image."""
    found: dict[str, NamedContext] = {}
    for word in words or []:
        name, equals, value = word.partition("=")
        if not equals or not name or not value or value == "-":
            raise UsageError(f"--build-context {word}: expected NAME= and a folder, an archive, a URL or an image")
        if value.startswith("target:"):
            raise UsageError(f"--build-context {word}: targets are those of `bake`")
        if value.startswith("oci-layout:"):
            found[name] = ImageContext(_layout(word, value))
            continue
        if value.startswith("docker-image://"):
            found[name] = ImageContext(value.removeprefix("docker-image://"))
            continue
        folder, source = context_of(value)
        found[name] = source or folder
    return found


def _layout(word: str, value: str) -> str:
    """``oci-layout://FOLDER[:TAG][@DIGEST]``, the folder made absolute."""
    place = value.removeprefix("oci-layout://")
    if place == value or not place:
        raise UsageError(f"--build-context {word}: expected oci-layout://FOLDER[:TAG] or oci-layout://FOLDER@DIGEST")
    folder, mark, rest = place.partition("@")
    folder, colon, tag = folder.partition(":")
    return f"oci-layout://{os.path.abspath(folder)}{colon}{tag}{mark}{rest}"


def _hub(context: str) -> Repository | None:
    """``github.com/owner/name``, which is also how a folder could be called."""
    address, mark, rest = context.partition("#")
    if not context.startswith("github.com/"):
        return None
    return repository(f"https://{address.removesuffix('.git')}.git{mark}{rest}")


def _piped(file: str, context: Path) -> bytes | None:
    """What stands in standard input or in a pipe that -f names (``<(…)``), None where it names a file.

    A pipe that lies in the context is none of the caller's.
    """
    if file == "-" or _DESCRIPTOR.fullmatch(file):
        return read_input(file, "-f", _MAX_DOCKERFILE)
    path = Path(os.path.realpath(file))
    if path.is_fifo() and not path.is_relative_to(os.path.realpath(context)):
        return read_input(file, "-f", _MAX_DOCKERFILE)
    return None


def _file(file: str) -> Path:
    path = Path(file)
    if not os.path.lexists(path):
        raise InputError(f"{file}: no such file", hint="-f is taken from the current folder, as docker does")
    return path


def _arguments(words: list[str] | None, environment: dict[str, str]) -> dict[str, str]:
    """``NAME=VALUE``, or NAME alone for the caller's own variable."""
    found: dict[str, str] = {}
    for word in words or []:
        name, equals, value = word.partition("=")
        if equals:
            found[name] = value
        elif name in environment:
            found[name] = environment[name]
    return found


def epoch(environment: dict[str, str]) -> int | None:
    """SOURCE_DATE_EPOCH of the caller. Raises `InputError`."""
    text = environment.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 11 or int(text) >= 2**33:
        raise InputError(f"SOURCE_DATE_EPOCH={text}: expected seconds since 1970, before 2242")
    return int(text)


def _outputs(words: list[str] | None) -> BuildOutputs:
    from lading.host.images.build_outputs import parse_outputs  # noqa: PLC0415

    outputs = parse_outputs(words or [], sys.stdout.buffer.write)
    if outputs.streamed and sys.stdout.isatty():
        raise UsageError("-o -: standard output is a terminal: write to a file, or into a pipe")
    return outputs


def annotations_of(words: list[str] | None, platforms: int) -> dict[str, dict[str, str]]:
    """``NAME=VALUE`` for each manifest, with buildx's ``index:`` or ``index,manifest:`` before it for the index."""
    found: dict[str, dict[str, str]] = {"annotations": {}, "index_annotations": {}}
    for word, value in pairs(words or [], "--annotation").items():
        kinds, colon, name = word.partition(":")
        known = set(kinds.split(",")) if colon else set[str]()
        if any("descriptor" in kind or "[" in kind for kind in known):
            raise UsageError(f"--annotation {word}: only those of index and manifests are written")
        if not known or not known <= {"index", "manifest"}:
            known, name = {"manifest"}, word
        if "index" in known and platforms < 2:
            raise UsageError(f"--annotation {word}: no index is made of one platform")
        for kind, place in (("manifest", "annotations"), ("index", "index_annotations")):
            if kind in known:
                found[place][name] = value
    return found


def write_word(file: Path | None, option: str, text: str) -> None:
    """Writes what a file of the call is to hold. Raises `LadingError`."""
    if file is None:
        return
    try:
        file.write_text(text)
    except OSError as error:
        raise LadingError(f"{option} {file}: {error.strerror}") from None


def metadata(session: CliSession, built: Built, names: tuple[str, ...]) -> str:
    """The members that buildx and buildah write, too."""
    found: dict[str, object] = {}
    if not built.images:
        config = session.host.images.target(session.host.images.get(str(built.descriptor.digest))).manifest.config
        found["containerimage.config.digest"] = str(config.digest)
    found |= {
        "containerimage.descriptor": built.descriptor.json(),
        "containerimage.digest": str(built.descriptor.digest),
        **({"image.name": ",".join(names)} if names else {}),
    }
    return json.dumps(found, indent=2) + "\n"


def ensure_key(session: CliSession) -> None:
    """At a terminal the first build makes a key, and says so."""
    keyring = session.host.keyring
    if not keyring.exists() and session.passwords.terminal:
        from lading.cli.commands.trust.keygen import make_key  # noqa: PLC0415

        session.output.note("There is no key to sign with yet: making one.")
        make_key(session)
        session.output.note(f"The public key is {keyring.public_file}")


def _report(session: CliSession, built: Built, names: tuple[str, ...], *, quiet: bool, streamed: bool) -> None:
    lines = (f"stands on {base.reference}, which is {base.status}" for base in built.bases if base.status != "verified")
    for line in dict.fromkeys(lines):
        session.output.warn(line)
    if not session.quiet:
        show_findings(session, built.findings)
    digest = built.descriptor.digest
    signer = None if quiet else _signer(session, built)
    if session.progress == ProgressKind.json and not quiet:
        emit("built", digest=str(digest), names=list(names), signer=signer)
        signer = None
    line = f"{', '.join(map(short, names)) or 'unnamed'}  {digest.short}  signed by {signer}"
    if signer is not None and sys.stdout.isatty():
        session.output.result(escape(line))
        return
    if signer is not None:
        session.output.note(escape(line))
    if not streamed:
        session.output.result(str(digest))


def _signer(session: CliSession, built: Built) -> str | None:
    """The name that the policy has for the key, else its fingerprint."""
    if built.signer is None:
        return None
    return session.host.verifiers.key_name(built.signer) or f"key {built.signer[:16]}"
