"""RUN to a step, its command for a shell, a list, or a heredoc."""

from __future__ import annotations

import json
from typing import Final

from lading.build.convert.stage import EPOCH, DispatchOptions, StageState
from lading.build.dockerfile.arguments import heredoc
from lading.build.dockerfile.instructions import Run
from lading.build.errors import DockerfileError
from lading.build.graph.graph import RunOp
from lading.store.system.patterns import pattern

_UNUSABLE: Final = pattern("[\0\ud800-\udfff]")


def run(instruction: Run, state: StageState, options: DispatchOptions) -> None:
    """Adds the step of `instruction`. Raises as `apply` does."""
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
    if heredoc(instruction.command.args[0]) is not None:  # the command is that and nothing else
        if first.text.startswith("#!"):
            raise DockerfileError(
                instruction.place, "RUN with a heredoc that names its interpreter (#!) is not supported yet"
            )
        return first.text
    bodies = "".join(f"\n{document.content}{document.name}" for document in instruction.documents)
    return instruction.command.args[0] + bodies
