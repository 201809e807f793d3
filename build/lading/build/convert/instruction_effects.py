"""What each instruction does to a stage (moby/buildkit ``dockerfile2llb``, ``dispatch``)."""

from __future__ import annotations

from functools import singledispatch

from lading.build.convert import go_format
from lading.build.convert.copy_step import copy
from lading.build.convert.run_step import run
from lading.build.convert.stage_state import DispatchOptions, StageState
from lading.build.dockerfile.instruction_values import (
    check_signal,
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
    Onbuild,
    Run,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from lading.build.errors import DockerfileError
from lading.build.graph.steps.step_operations import MkdirOp


@singledispatch
def apply(instruction: Instruction, state: StageState, options: DispatchOptions) -> None:
    """Evaluates `instruction`. Raises `DockerfileError`, and `TextError` for a word or a value of it."""
    raise TypeError(instruction)


@apply.register
def _(instruction: Arg, state: StageState, options: DispatchOptions) -> None:
    texts: list[str] = []
    for written, default in instruction.args:
        name = written
        value = options.arguments.given.get(name)
        if value is None and default is not None:
            value = state.expand(default)
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
    pairs = [(state.expand(pair.name), state.expand(pair.value)) for pair in instruction.pairs]
    for name, value in pairs:
        state.variables[name] = state.config.env[name] = value
    names = " ".join(name for name, _ in pairs)
    state.add_history(instruction.place, "ENV " + " ".join(f"{name}={value}" for name, value in pairs), f"ENV {names}")


@apply.register
def _(instruction: Label, state: StageState, options: DispatchOptions) -> None:
    pairs = [(state.expand(pair.name), state.expand(pair.value)) for pair in instruction.pairs]
    state.config.labels.update(pairs)
    names = " ".join(name for name, _ in pairs)
    state.add_history(
        instruction.place, "LABEL " + " ".join(f"{name}={value}" for name, value in pairs), f"LABEL {names}"
    )


@apply.register
def _(instruction: Workdir, state: StageState, options: DispatchOptions) -> None:
    path = state.resolve(state.expand(instruction.path)).rstrip("/") or "/"
    state.config.workdir = path
    if path == "/":
        state.add_history(instruction.place, "WORKDIR /")
        return
    operation = MkdirOp(path, state.config.user)
    state.step(instruction.place, operation, f"WORKDIR {path}", ("WORKDIR", instruction.path))


@apply.register
def _(instruction: Copy, state: StageState, options: DispatchOptions) -> None:
    copy(instruction, state, options)


@apply.register
def _(instruction: Run, state: StageState, options: DispatchOptions) -> None:
    run(instruction, state, options)


@apply.register
def _(instruction: User, state: StageState, options: DispatchOptions) -> None:
    state.config.user = state.expand(instruction.user)
    state.add_history(instruction.place, f"USER {state.config.user}", f"USER {instruction.user}")


@apply.register
def _(instruction: Expose, state: StageState, options: DispatchOptions) -> None:
    ports: list[str] = []
    for word in sorted(instruction.ports):
        for text in state.words(word):
            ports += parse_ports(text)
    state.config.ports.update(ports)
    state.add_history(instruction.place, f"EXPOSE {go_format.listed(ports)}", f"EXPOSE {' '.join(instruction.ports)}")


@apply.register
def _(instruction: Volume, state: StageState, options: DispatchOptions) -> None:
    paths = [state.expand(path) for path in instruction.paths]
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
    signal = state.expand(instruction.signal)
    check_signal(signal)
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
def _(instruction: Onbuild, state: StageState, options: DispatchOptions) -> None:
    state.config.triggers.append(instruction.trigger)
    state.add_line(instruction.place, f"ONBUILD {instruction.trigger}")


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
