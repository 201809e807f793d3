"""What each instruction does to a stage (moby/buildkit ``dockerfile2llb``, ``dispatch``)."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import singledispatch
from typing import Final

from lading.build.convert import go_format
from lading.build.convert.stage import Arguments, StageState
from lading.build.dockerfile.arguments import Heredoc, SyntaxProblemError, heredoc
from lading.build.dockerfile.expansion import WordError, expand
from lading.build.dockerfile.instruction_values import (
    Owner,
    ValueProblemError,
    check_signal,
    parse_mode,
    parse_owner,
    parse_ports,
)
from lading.build.dockerfile.instructions import (
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    Run,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from lading.build.errors import DockerfileError
from lading.build.graph.graph import Chain, CopyOp, InlineFile, MkdirOp, RunOp
from lading.store.fastclass import dataclass
from lading.store.system.patterns import pattern

PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
EPOCH: Final = "SOURCE_DATE_EPOCH"
_UNUSABLE: Final = pattern("[\0\ud800-\udfff]")
_REMOTE: Final = ("http://", "https://", "git://", "ssh://", "git@")


@dataclass(frozen=True, slots=True)
class DispatchOptions:
    """What an instruction may look at beyond its stage."""

    arguments: Arguments
    epoch: int
    origin: Callable[[Copy], Chain]

    @property
    def proxies(self) -> tuple[tuple[str, str], ...]:
        """Proxy variables of the call: RUN sees them, no key and no record does."""
        names = {name for upper in PROXIES for name in (upper, upper.lower())}
        return tuple(sorted((name, value) for name, value in self.arguments.given.items() if name in names))


@singledispatch
def apply(instruction: Instruction, state: StageState, options: DispatchOptions) -> None:
    """Evaluates `instruction`. Raises `DockerfileError`."""
    raise TypeError(instruction)


@apply.register
def _(instruction: Arg, state: StageState, options: DispatchOptions) -> None:
    texts: list[str] = []
    for written, default in instruction.args:
        name = written
        value = options.arguments.given.get(name)
        if value is None and default is not None:
            value = state.expand(instruction.place, default)
        elif value is None:
            value = options.arguments.scope.get(name)
        if value is not None:
            state.variables[name] = value
        state.arguments[name] = value or ""
        texts.append(name if value is None else f"{name}={value}")
    names = " ".join(name for name, _ in instruction.args)
    state.add_history(instruction.place, f"ARG {' '.join(texts)}", f"ARG {names}")


@apply.register
def _(instruction: Env, state: StageState, options: DispatchOptions) -> None:
    pairs = [
        (state.expand(instruction.place, pair.name), state.expand(instruction.place, pair.value))
        for pair in instruction.pairs
    ]
    for name, value in pairs:
        state.variables[name] = state.config.env[name] = value
    names = " ".join(name for name, _ in pairs)
    state.add_history(instruction.place, "ENV " + " ".join(f"{name}={value}" for name, value in pairs), f"ENV {names}")


@apply.register
def _(instruction: Label, state: StageState, options: DispatchOptions) -> None:
    pairs = [
        (state.expand(instruction.place, pair.name), state.expand(instruction.place, pair.value))
        for pair in instruction.pairs
    ]
    state.config.labels.update(pairs)
    names = " ".join(name for name, _ in pairs)
    state.add_history(
        instruction.place, "LABEL " + " ".join(f"{name}={value}" for name, value in pairs), f"LABEL {names}"
    )


@apply.register
def _(instruction: Workdir, state: StageState, options: DispatchOptions) -> None:
    path = state.resolve(state.expand(instruction.place, instruction.path)).rstrip("/") or "/"
    state.config.workdir = path
    if path == "/":
        state.add_history(instruction.place, "WORKDIR /")
        return
    operation = MkdirOp(path, state.config.user)
    state.step(instruction.place, operation, f"WORKDIR {path}", ("WORKDIR", instruction.path))


@apply.register
def _(instruction: Copy, state: StageState, options: DispatchOptions) -> None:
    place = instruction.place
    sources = tuple(state.expand(place, source) for source in instruction.sources)
    for source in sources:
        if source.startswith(_REMOTE):
            what = "ADD of a URL or a git repository is not supported yet" if instruction.add else "COPY takes no URL"
            raise DockerfileError(place, f"{what}: {source}")
    destination = state.expand(place, instruction.destination)
    chown, chmod = state.expand(place, instruction.chown), state.expand(place, instruction.chmod)
    owner, mode = _owned(instruction, chown, chmod)
    operation = CopyOp(
        sources,
        tuple(_document(instruction, document, state) for document in instruction.documents),
        state.resolve(destination),
        options.origin(instruction) if instruction.origin is not None else None,
        owner,
        mode,
        instruction.add,
    )
    flags = [f"--chown={chown}"] * bool(chown) + [f"--chmod={chmod}"] * bool(chmod)
    inline = [f"<<{document.name}" for document in instruction.documents]
    text = " ".join([instruction.word, *flags, *sources, *inline, destination])
    state.step(place, operation, text, _written(instruction, inline))


def _owned(instruction: Copy, chown: str, chmod: str) -> tuple[Owner | None, int | None]:
    try:
        return (parse_owner(chown) if chown else None), (parse_mode(chmod) if chmod else None)
    except ValueProblemError as problem:
        raise DockerfileError(instruction.place, f"{instruction.word}: {problem}") from None


def _written(instruction: Copy, inline: list[str]) -> tuple[str, ...]:
    flags = [
        f"--{name}={value}"
        for name, value in (("from", instruction.origin), ("chown", instruction.chown), ("chmod", instruction.chmod))
        if value
    ]
    return (instruction.word, *flags, *instruction.sources, *inline, instruction.destination)


def _document(instruction: Copy, document: Heredoc, state: StageState) -> InlineFile:
    text = document.text
    if document.expand:
        try:
            text = expand(text, state.variables, quotes=False).text
        except WordError as error:
            raise DockerfileError(instruction.place, str(error)) from None
    return InlineFile(document.name, text.encode("utf-8", "surrogateescape"))


@apply.register
def _(instruction: Run, state: StageState, options: DispatchOptions) -> None:
    args = instruction.command.args
    if instruction.documents:
        args = (_script(instruction),)
    argv = state.config.shelled(args) if instruction.command.shell else args
    environment = {**state.variables}
    environment.setdefault(EPOCH, str(options.epoch))
    operation = RunOp(
        argv,
        tuple(sorted(environment.items())),
        options.proxies,
        state.config.workdir,
        state.config.user,
        instruction.network,
    )
    declared = [f"{name}={state.variables.get(name, value)}" for name, value in state.arguments.items()]
    shown = [f"|{len(declared)}", *declared] if declared else []
    state.step(instruction.place, operation, " ".join(["RUN", *shown, *argv]), argv, _as_written(instruction))


def _as_written(instruction: Run) -> str:
    command = instruction.command
    words = " ".join(" ".join(command.args).split()) if command.shell else json.dumps(command.args, ensure_ascii=False)
    network = "" if instruction.network == "default" else f"--network={instruction.network} "
    return f"RUN {network}{words}"


def _script(instruction: Run) -> str:
    if any(_UNUSABLE.search(document.content) for document in instruction.documents):
        raise DockerfileError(instruction.place, "RUN: a heredoc that is a script is UTF-8 text without NUL bytes")
    if len(instruction.command.args) != 1 or not instruction.command.shell:
        raise DockerfileError(instruction.place, "RUN: a heredoc needs a command for a shell")
    first = instruction.documents[0]
    if _announces(instruction):
        if first.text.startswith("#!"):
            raise DockerfileError(
                instruction.place, "RUN with a heredoc that names its interpreter (#!) is not supported yet"
            )
        return first.text
    bodies = "".join(f"\n{document.content}{document.name}" for document in instruction.documents)
    return instruction.command.args[0] + bodies


def _announces(instruction: Run) -> bool:
    """Whether the command is a heredoc and nothing else."""
    try:
        return heredoc(instruction.command.args[0]) is not None
    except SyntaxProblemError as problem:
        raise DockerfileError(instruction.place, str(problem)) from None


@apply.register
def _(instruction: User, state: StageState, options: DispatchOptions) -> None:
    state.config.user = state.expand(instruction.place, instruction.user)
    state.add_history(instruction.place, f"USER {state.config.user}", f"USER {instruction.user}")


@apply.register
def _(instruction: Expose, state: StageState, options: DispatchOptions) -> None:
    ports: list[str] = []
    for word in sorted(instruction.ports):
        for text in state.words(instruction.place, word):
            ports += _ports(instruction, text)
    state.config.ports.update(ports)
    state.add_history(instruction.place, f"EXPOSE {go_format.listed(ports)}", f"EXPOSE {' '.join(instruction.ports)}")


def _ports(instruction: Expose, text: str) -> list[str]:
    try:
        return parse_ports(text)
    except ValueProblemError as problem:
        raise DockerfileError(instruction.place, str(problem)) from None


@apply.register
def _(instruction: Volume, state: StageState, options: DispatchOptions) -> None:
    paths = [state.expand(instruction.place, path) for path in instruction.paths]
    if "" in paths:
        raise DockerfileError(instruction.place, "VOLUME can not be an empty string")
    state.config.volumes.update(paths)
    state.add_history(instruction.place, f"VOLUME {go_format.listed(paths)}", f"VOLUME {' '.join(instruction.paths)}")


@apply.register
def _(instruction: Cmd, state: StageState, options: DispatchOptions) -> None:
    command = instruction.command
    args = state.config.shelled(command.args) if command.shell else command.args
    state.config.cmd, state.config.cmd_is_own = args or None, True
    state.add_history(instruction.place, f"CMD {go_format.listed(args, quote=True)}")


@apply.register
def _(instruction: Entrypoint, state: StageState, options: DispatchOptions) -> None:
    command = instruction.command
    args = state.config.shelled(command.args) if command.shell else command.args
    state.config.entrypoint = args or None
    if not state.config.cmd_is_own:
        state.config.cmd = None
    state.add_history(instruction.place, f"ENTRYPOINT {go_format.listed(args, quote=True)}")


@apply.register
def _(instruction: StopSignal, state: StageState, options: DispatchOptions) -> None:
    signal = state.expand(instruction.place, instruction.signal)
    try:
        check_signal(signal)
    except ValueProblemError as problem:
        raise DockerfileError(instruction.place, str(problem)) from None
    state.config.stop_signal = signal
    state.add_history(instruction.place, f"STOPSIGNAL {signal}", f"STOPSIGNAL {instruction.signal}")


@apply.register
def _(instruction: Shell, state: StageState, options: DispatchOptions) -> None:
    state.config.shell = instruction.args
    state.add_history(instruction.place, f"SHELL {go_format.listed(instruction.args)}")


@apply.register
def _(instruction: Maintainer, state: StageState, options: DispatchOptions) -> None:
    state.config.author = instruction.name
    state.add_history(instruction.place, f"MAINTAINER {instruction.name}")


@apply.register
def _(instruction: Healthcheck, state: StageState, options: DispatchOptions) -> None:
    numbers = {
        "Interval": instruction.interval,
        "Timeout": instruction.timeout,
        "StartPeriod": instruction.start_period,
        "StartInterval": instruction.start_interval,
        "Retries": instruction.retries,
    }
    state.config.healthcheck = {
        "Test": list(instruction.test),
        **{name: number for name, number in numbers.items() if number},
    }
    told = [f"{name}:{go_format.duration(number) if name != 'Retries' else number}" for name, number in numbers.items()]
    state.add_history(instruction.place, f"HEALTHCHECK {{Test:{go_format.listed(instruction.test)} {' '.join(told)}}}")
