"""RUN to a step, its command for a shell, a list, or a heredoc."""

from __future__ import annotations

import json
from typing import Final

from lading.build.convert.run_mounts import AGENT, run_mounts
from lading.build.convert.stage_state import DEFAULT_EPOCH, EPOCH, DispatchOptions, StageState
from lading.build.dockerfile.arguments import heredoc
from lading.build.dockerfile.instructions import Run
from lading.build.errors import DockerfileError
from lading.build.graph.steps.mount_requests import ScriptMount, SshMount
from lading.build.graph.steps.step_operations import RunOp
from lading.store.system.patterns import pattern

_PIPES: Final = "/dev/pipes"
"""Where the reference has what a heredoc is, when it is a program."""
_UNUSABLE: Final = pattern("[\0\ud800-\udfff]")


def run(instruction: Run, state: StageState, options: DispatchOptions) -> None:
    """Adds the step of `instruction`. Raises as `apply` does."""
    _check_allowed(instruction, options)
    mounts = run_mounts(instruction, state, options)
    args, script = instruction.command.args, None
    if instruction.documents:
        text = _script(instruction)
        script = _program(instruction, text)
        args = (script.target if script else text,)
    argv = state.config.shelled(args) if instruction.command.shell else args
    environment = {**state.variables}
    environment.setdefault(EPOCH, str(DEFAULT_EPOCH))  # the call's, where an ARG asks for it
    for agent in [mount for mount in mounts if isinstance(mount, SshMount)][:1]:
        environment.setdefault(AGENT, agent.target)
    operation = RunOp(
        argv,
        tuple(sorted(environment.items())),
        options.proxies,
        state.config.workdir,
        state.config.user,
        options.allowed.network if instruction.network == "default" else instruction.network,
        instruction.security,
        (*mounts, script) if script else mounts,
        options.allowed.settings,
    )
    declared = [f"{name}={state.variables.get(name, value)}" for name, value in state.arguments.items()]
    shown = [f"|{len(declared)}", *declared] if declared else []
    state.step(instruction.place, operation, " ".join(["RUN", *shown, *argv]), argv, _as_written(instruction))


def _as_written(instruction: Run) -> str:
    command = instruction.command
    words = " ".join(" ".join(command.args).split()) if command.shell else json.dumps(command.args, ensure_ascii=False)
    flags = [f"--mount={','.join(flag.fields)}" for flag in instruction.mounts]
    flags += [f"--network={instruction.network}"] * (instruction.network != "default")
    flags += [f"--security={instruction.security}"] * (instruction.security != "sandbox")
    return " ".join(["RUN", *flags, words])


def _check_allowed(instruction: Run, options: DispatchOptions) -> None:
    """What reaches out of the sandbox is for the caller to allow, never for the file."""
    if instruction.network == "host":
        options.allowed.require(instruction.place, "network.host", "--network=host")
    if instruction.security == "insecure":
        options.allowed.require(instruction.place, "security.insecure", "--security=insecure")


def _script(instruction: Run) -> str:
    if any(_UNUSABLE.search(document.content) for document in instruction.documents):
        raise DockerfileError(instruction.place, "RUN: a heredoc that is a script is UTF-8 text without NUL bytes")
    if len(instruction.command.args) != 1 or not instruction.command.shell:
        raise DockerfileError(instruction.place, "RUN: a heredoc needs a command for a shell")
    first = instruction.documents[0]
    if heredoc(instruction.command.args[0]) is not None:  # the command is that and nothing else
        return first.text
    bodies = "".join(f"\n{document.content}{document.name}" for document in instruction.documents)
    return instruction.command.args[0] + bodies


def _program(instruction: Run, text: str) -> ScriptMount | None:
    """The heredoc as a file, where it names its interpreter."""
    if not text.startswith("#!"):
        return None
    name = instruction.documents[0].name
    if "/" in name or name in (".", ".."):
        raise DockerfileError(instruction.place, f"RUN: a heredoc's name becomes a file's: {name!r} is a path")
    return ScriptMount(f"{_PIPES}/{name}", text.encode())
