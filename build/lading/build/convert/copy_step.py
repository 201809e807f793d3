"""COPY and ADD to a step."""

from __future__ import annotations

from typing import Final

from lading.build.convert.stage import DispatchOptions, StageState
from lading.build.dockerfile.arguments import Heredoc
from lading.build.dockerfile.expansion import expand
from lading.build.dockerfile.instruction_values import Owner, parse_mode, parse_owner
from lading.build.dockerfile.instructions import Copy
from lading.build.errors import DockerfileError, reading
from lading.build.graph.graph import CopyOp, InlineFile

_REMOTE: Final = ("http://", "https://", "git://", "ssh://", "git@")


def copy(instruction: Copy, state: StageState, options: DispatchOptions) -> None:
    """Adds the step of `instruction`. Raises as `apply` does."""
    place = instruction.place
    sources = tuple(state.expand(source) for source in instruction.sources)
    for source in sources:
        if source.startswith(_REMOTE):
            refusal = (
                "ADD of a URL or a git repository is not supported yet" if instruction.add else "COPY takes no URL"
            )
            raise DockerfileError(place, f"{refusal}: {source}")
    destination = state.expand(instruction.destination)
    chown, chmod = state.expand(instruction.chown), state.expand(instruction.chmod)
    owner, mode = _owned(instruction, chown, chmod)
    operation = CopyOp(
        sources,
        tuple(_document(document, state) for document in instruction.documents),
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
    with reading(instruction.place, f"{instruction.word}: "):
        return (parse_owner(chown) if chown else None), (parse_mode(chmod) if chmod else None)


def _written(instruction: Copy, inline: list[str]) -> tuple[str, ...]:
    flags = [
        f"--{name}={value}"
        for name, value in (("from", instruction.origin), ("chown", instruction.chown), ("chmod", instruction.chmod))
        if value
    ]
    return (instruction.word, *flags, *instruction.sources, *inline, instruction.destination)


def _document(document: Heredoc, state: StageState) -> InlineFile:
    text = document.text
    if document.expand:
        text = expand(text, state.variables, quotes=False).text
    return InlineFile(document.name, text.encode("utf-8", "surrogateescape"))
