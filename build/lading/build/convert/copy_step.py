"""COPY and ADD to a step."""

from __future__ import annotations

from lading.build.context.remote.addresses import repository, shown, web_file
from lading.build.convert.stage_state import DispatchOptions, StageState
from lading.build.dockerfile.arguments import Heredoc
from lading.build.dockerfile.ignore import Ignore
from lading.build.dockerfile.instruction_values import Owner, parse_owner
from lading.build.dockerfile.instructions import Copy
from lading.build.dockerfile.modes import FileMode, parse_mode
from lading.build.errors import DockerfileError, TextError, reading
from lading.build.graph.steps.step_operations import CopyFrom, CopyOp, InlineFile


def copy(instruction: Copy, state: StageState, options: DispatchOptions) -> None:
    """Adds the step of `instruction`. Raises as `apply` does."""
    place = instruction.place
    sources = tuple(state.expand(source) for source in instruction.sources)
    destination = state.expand(instruction.destination)
    chown, chmod = state.expand(instruction.chown), state.expand(instruction.chmod)
    owner, mode = _owned(instruction, chown, chmod)
    with reading(place, f"{instruction.word}: "):
        found = _sources(instruction, sources, state.expand(instruction.checksum))
    operation = CopyOp(
        found,
        tuple(_document(document, state) for document in instruction.documents),
        state.resolve(destination),
        options.origin(instruction) if instruction.origin is not None else None,
        owner,
        mode,
        instruction.add if instruction.unpack is None else instruction.unpack,
        instruction.link and mode is None,  # a mode given makes it a common copy, as in the reference
        instruction.parents,
        instruction.exclude,
    )
    flags = (
        ["--parents"] * instruction.parents + [f"--chown={chown}"] * bool(chown) + [f"--chmod={chmod}"] * bool(chmod)
    )
    inline = [f"<<{document.name}" for document in instruction.documents]
    text = " ".join([instruction.word, *flags, *map(shown, sources), *inline, destination])
    state.step(place, operation, text, _written(instruction, inline))


def _sources(instruction: Copy, words: tuple[str, ...], checksum: str) -> tuple[CopyFrom, ...]:
    """What each word names. Raises `TextError`."""
    if checksum and len(words) != 1:
        raise TextError("--checksum is for one source")
    found = tuple(_source(instruction, word, checksum) for word in words)
    if checksum and isinstance(found[0], str):
        raise TextError("--checksum requires a source from http, https or git")
    if not instruction.add and any(not isinstance(source, str) for source in found):
        raise TextError("a source is a URL or a git repository, which ADD takes alone")
    return found


def _source(instruction: Copy, word: str, checksum: str) -> CopyFrom:
    named = repository(word)
    if named is not None:
        return named.with_flags(checksum, instruction.keep_git)
    return web_file(word, checksum, unpack=instruction.unpack is True) or word


def _owned(instruction: Copy, chown: str, chmod: str) -> tuple[Owner | None, FileMode | None]:
    with reading(instruction.place, f"{instruction.word}: "):
        Ignore(instruction.exclude)  # for its errors
        owner, mode = (parse_owner(chown) if chown else None), (parse_mode(chmod) if chmod else None)
    if owner and instruction.link and not owner.nameless:
        raise DockerfileError(
            instruction.place,
            f"--chown={chown}: user and group names can't be resolved when used with --link",
            hint="use numbers: uid[:gid]",
        )
    return owner, mode


def _written(instruction: Copy, inline: list[str]) -> tuple[str, ...]:
    given = {"from": instruction.origin, "chown": instruction.chown, "chmod": instruction.chmod}
    flags = [f"--{name}={value}" for name, value in given.items() if value]
    flags += ["--link"] * instruction.link + ["--parents"] * instruction.parents
    if instruction.unpack is not None:
        flags.append("--unpack" if instruction.unpack else "--unpack=false")
    flags += [f"--exclude={pattern}" for pattern in instruction.exclude]
    return (instruction.word, *flags, *map(shown, instruction.sources), *inline, instruction.destination)


def _document(document: Heredoc, state: StageState) -> InlineFile:
    text = document.text
    if document.expand:
        text = state.expand_document(text)
    return InlineFile(document.name, text.encode("utf-8", "surrogateescape"))
