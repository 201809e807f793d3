"""`lading run`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from lading.cli.calls.option_values import access, boolean, environment, pairs, require_terminal
from lading.cli.cli_session import CliSession
from lading.store.errors import InputError, UsageError
from lading.store.oci.platforms import parse_platform

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import AuthFile, Creds, TlsVerify
    from lading.cli.display.terminal import Foreground
    from lading.networking.driver import PortMapping
    from lading.runtime.cgroups.groups import ResourceLimits
    from lading.runtime.options import RunOptions
    from lading.verify.judgement.verdict import Verdict


def run(
    ctx: typer.Context,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="Name, digest or ID of an image")],
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[COMMAND] [ARG]...", help="In place of the image's CMD")
    ] = None,
    detach: Annotated[bool, typer.Option("-d", "--detach", help="Leave it running, and print its ID")] = False,
    rm: Annotated[bool, typer.Option("--rm", help="Remove it when it ends")] = False,
    interactive: Annotated[bool, typer.Option("-i", "--interactive", help="Pass standard input on")] = False,
    tty: Annotated[bool, typer.Option("-t", "--tty", help="Give it a terminal")] = False,
    env: Annotated[list[str] | None, typer.Option("-e", "--env", metavar="NAME[=VALUE]", help="A variable")] = None,
    env_file: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Variables, a line each")] = None,
    volume: Annotated[
        list[str] | None, typer.Option("-v", "--volume", metavar="[SOURCE:]TARGET[:ro]", help="A folder or volume")
    ] = None,
    tmpfs: Annotated[list[str] | None, typer.Option(metavar="TARGET[:OPTIONS]", help="A folder in memory")] = None,
    publish: Annotated[
        list[str] | None, typer.Option("-p", "--publish", metavar="[[IP:]PORT:]PORT[/udp]", help="A port of the host")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What to call the container")] = None,
    user: Annotated[str | None, typer.Option("-u", "--user", metavar="USER[:GROUP]", help="Who runs it")] = None,
    workdir: Annotated[str | None, typer.Option("-w", "--workdir", metavar="DIR", help="Where it starts")] = None,
    hostname: Annotated[
        str | None, typer.Option("-h", "--hostname", metavar="NAME", help="What it calls itself")
    ] = None,
    entrypoint: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="In place of the image's ENTRYPOINT")
    ] = None,
    label: Annotated[list[str] | None, typer.Option("-l", "--label", metavar="NAME=VALUE", help="A label")] = None,
    memory: Annotated[str | None, typer.Option("-m", "--memory", metavar="BYTES[b|k|m|g]", help="At most")] = None,
    cpus: Annotated[float | None, typer.Option(metavar="NUMBER", help="At most, 1.5 is one and a half")] = None,
    pids_limit: Annotated[int | None, typer.Option(metavar="NUMBER", help="Processes and threads at most")] = None,
    init: Annotated[bool, typer.Option("--init", help="Its first process is a small init, before the command")] = False,
    read_only: Annotated[bool, typer.Option("--read-only", help="It cannot write to its root file system")] = False,
    cap_add: Annotated[list[str] | None, typer.Option(metavar="CAPABILITY", help="A capability more")] = None,
    cap_drop: Annotated[list[str] | None, typer.Option(metavar="CAPABILITY", help="A capability less")] = None,
    stop_signal: Annotated[str | None, typer.Option(metavar="SIGNAL", help="What `stop` sends first")] = None,
    network: Annotated[str, typer.Option(metavar="default|none|host", help="Which network it joins")] = "default",
    pull: Annotated[str, typer.Option(metavar="missing|always|never", help="When to ask the registry")] = "missing",
    platform: Annotated[
        str | None, typer.Option(metavar="OS/ARCH", help="Which image of an index [default: this machine's own]")
    ] = None,
    policy: Annotated[Path | None, typer.Option(metavar="FILE", help="Judge by this policy, not by your own")] = None,
    unsafe_unverified: Annotated[
        bool, typer.Option("--unsafe-unverified", help="Run it without any proof, loudly and on record")
    ] = False,
    sig_proxy: Annotated[
        str | None, typer.Option(metavar="BOOL", help="false: keep signals from it [default: true]")
    ] = None,
    log_opt: Annotated[
        list[str] | None, typer.Option(metavar="max-size=BYTES", help="How much of its output is kept [default: 64m]")
    ] = None,
    detach_keys: Annotated[
        str, typer.Option(metavar="KEYS", help="What leaves it running: letters, ctrl-a, ... with commas between")
    ] = "ctrl-p,ctrl-q",
    tls_verify: TlsVerify = None,
    authfile: AuthFile = None,
    creds: Creds = None,
) -> int:
    """Run a command in a new container of a verified image.

    The image is judged by the policy first, and what runs is what was judged. The exit code is the command's own;
    125 for any error of lading's, 126 for a command that cannot be run, 127 for one that is not there.
    """
    from lading.cli.display.terminal import Foreground, keys  # noqa: PLC0415
    from lading.runtime.options import RunOptions, VolumeMount  # noqa: PLC0415

    session = CliSession.of(ctx)
    access(session, tls_verify, authfile, creds, image)
    session.policy = policy
    if pull not in ("missing", "always", "never"):
        raise UsageError(f"--pull {pull}: expected missing, always or never")
    proxy = boolean(sig_proxy, "--sig-proxy") is not False
    if interactive and tty and not detach:
        require_terminal()
    options = RunOptions(
        image=image,
        command=tuple(command or ()),
        name=name,
        entrypoint=None if entrypoint is None else ((entrypoint,) if entrypoint else ()),
        env=(*_env_files(env_file, session.environment), *environment(env, session.environment)),
        user=user,
        workdir=workdir,
        hostname=hostname,
        labels=pairs(label, "--label", bare=True),
        detach=detach,
        remove=rm,
        interactive=interactive,
        tty=tty,
        init=init,
        readonly=read_only,
        volumes=tuple(VolumeMount.parse(word) for word in volume or ()),
        tmpfs=dict(_tmpfs(word) for word in tmpfs or ()),
        network=network,
        publish=_publish(publish),
        limits=_limits(memory, cpus, pids_limit),
        cap_add=tuple(cap_add or ()),
        cap_drop=tuple(cap_drop or ()),
        stop_signal=stop_signal,
        detach_keys=keys(detach_keys),
        log_limit=_log_limit(log_opt),
    )
    options.validate()
    wanted = None if platform is None else parse_platform(platform)
    with Foreground(session.output, tty=tty and not detach, interactive=interactive, proxy=proxy) as caller:
        gate = session.host.gate
        verdict = gate.admit(
            gate.resolve_for_launch(image, pull=pull, platform=wanted, unverified=unsafe_unverified),
            unverified="--unsafe-unverified was given" if unsafe_unverified else None,
        )
        _tell(session, verdict)
        if lacking := session.host.lacking_emulator(verdict.manifest):
            session.output.warn(lacking)
        return _start(session, verdict, options, caller)


def _tmpfs(word: str) -> tuple[str, str]:
    target, _, options = word.partition(":")
    return target, options


def _publish(words: list[str] | None) -> tuple[PortMapping, ...]:
    if not words:
        return ()
    from lading.networking.ports import parse_publish  # noqa: PLC0415

    return tuple(port for word in words for port in parse_publish(word))


def _limits(memory: str | None, cpus: float | None, pids: int | None) -> ResourceLimits:
    from lading.cli.display.sizes import byte_count  # noqa: PLC0415
    from lading.runtime.cgroups.groups import ResourceLimits  # noqa: PLC0415

    if pids is not None and pids < 1:
        pids = None
    limit = byte_count(memory, "--memory", base=1024) if memory else 0
    return ResourceLimits(limit or None, cpus or None, pids)


def _log_limit(words: list[str] | None) -> int:
    from lading.runtime.options import LOG_LIMIT  # noqa: PLC0415

    limit = LOG_LIMIT
    for name, value in pairs(words, "--log-opt").items():
        if name == "max-size":
            from lading.cli.display.sizes import byte_count  # noqa: PLC0415

            limit = 0 if value == "-1" else max(byte_count(value, "--log-opt max-size", base=1024), 1)
        elif (name, value) != ("max-file", "1"):
            raise UsageError(
                f"--log-opt {name}={value} is not built yet", hint="a log that reaches max-size is begun anew"
            )
    return limit


_MAX_ENV_FILE: Final = 1 << 20
"""Bytes: more than the kernel hands to a program."""


def _env_files(files: list[Path] | None, outside: dict[str, str]) -> list[str]:
    found: list[str] = []
    for file in files or []:
        try:
            with file.open("rb") as stream:
                data = stream.read(_MAX_ENV_FILE + 1)
            lines = data.decode("utf-8-sig").splitlines()
        except OSError as error:
            raise InputError(f"--env-file {file}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise InputError(f"--env-file {file}: is not UTF-8") from None
        if len(data) > _MAX_ENV_FILE:
            raise InputError(f"--env-file {file}: larger than {_MAX_ENV_FILE} bytes")
        words = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
        found += environment(words, outside)
    return found


def _tell(session: CliSession, verdict: Verdict) -> None:
    """What the user should know before it runs."""
    if verdict.basis == "override":
        session.output.warn("NOT VERIFIED: nothing is known about this image; this launch is on record")
    elif verdict.base_status == "unverified":
        session.output.warn("it stands on a base image that nobody vouched for: `lading verify` says more")


def _start(session: CliSession, verdict: Verdict, options: RunOptions, caller: Foreground) -> int:
    from lading.cli.display.terminal import as_exit  # noqa: PLC0415

    with as_exit(_asked(options)):
        ran = session.host.runtime.run(verdict, options, caller.streams)
    if ran.exit_code is None:
        session.output.result(ran.id)
        return 0
    return ran.exit_code


def _asked(options: RunOptions) -> str:
    if not options.entrypoint and not options.command:
        return "that is the image's own command: `lading inspect` shows it, --entrypoint takes another"
    return f"it was asked to run {shlex.join((*(options.entrypoint or ()), *options.command))}"
