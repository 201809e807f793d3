"""Rules about what instructions come to once they are evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lading.build.checks.subject import Remark, Subject
from lading.build.convert.trace import Evaluated
from lading.build.dockerfile.ignore import Ignore, clean
from lading.build.dockerfile.instruction_values import sounds_secret
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
    Workdir,
)
from lading.build.errors import Place, suggestion
from lading.store.system.patterns import pattern

_OF_THE_BUILD: Final = frozenset({"BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"})
_REMOTE: Final = pattern(r"[a-z]+://|git@")
_EVERYTHING: Final = frozenset({"*", "**", "**/*"})


def undefined_var(subject: Subject) -> Iterator[Remark]:
    """A variable is used that nobody has set or declared."""
    for one in subject.trace.evaluated:
        for name in sorted(one.unset - _OF_THE_BUILD):
            near = suggestion(name, one.known)
            yield _of(subject, one, f"${name} is not set here{near}: declare it with ARG or ENV, or escape the $")


def workdir_relative_path(subject: Subject) -> Iterator[Remark]:
    """The first WORKDIR of a stage begins where the base image happens to end."""
    done: set[int] = set()
    for one in subject.trace.evaluated:
        if one.below in done:
            done.add(one.stage.index)
        if not isinstance(one.instruction, Workdir):
            continue
        path = one.words.get(one.instruction.path, one.instruction.path)
        if one.stage.index not in done and not path.startswith("/"):
            yield _of(subject, one, f"{path!r} depends on where the base image ends: begin it with /")
        done.add(one.stage.index)


def json_args_recommended(subject: Subject) -> Iterator[Remark]:
    """CMD or ENTRYPOINT goes through a shell that nobody asked for."""
    for one in subject.trace.evaluated:
        if isinstance(one.instruction, Cmd | Entrypoint) and one.instruction.command.shell and not one.shelled:
            word = _name(one.instruction)
            yield _of(
                subject, one, f"a shell stands between {word} and signals: write it as a JSON array, or say SHELL"
            )


def multiple_instructions_disallowed(subject: Subject) -> Iterator[Remark]:
    """A stage says twice what only counts once."""
    last: dict[tuple[int, str], Place] = {}
    for one in subject.trace.evaluated:
        if isinstance(one.instruction, Cmd | Entrypoint | Healthcheck):
            word = _name(one.instruction)
            before = last.get((one.stage.index, word))
            if before is not None:
                message = f"another {word} follows in this stage, and only the last one counts: take this one out"
                yield Remark(before, message, subject.node(one.instruction))
            last[one.stage.index, word] = one.instruction.place


def legacy_key_value_format(subject: Subject) -> Iterator[Remark]:
    """``ENV name value``."""
    for one in subject.trace.evaluated:
        node = subject.node(one.instruction)
        if node and isinstance(one.instruction, Env | Label) and "" in node.args[2::3]:
            word = node.word.upper()
            yield _of(
                subject, one, f"{word} with a blank between name and value is the old form: write {word} name=value"
            )


def secrets_used_in_arg_or_env(subject: Subject) -> Iterator[Remark]:
    """A name sounds as if its value were secret."""
    for one in subject.trace.evaluated:
        for name in _names(one):
            if sounds_secret(name):
                message = (
                    f"{name} sounds secret, and everybody who has the image can read it: use RUN --mount=type=secret"
                )
                yield _of(subject, one, message)


def _names(one: Evaluated) -> Iterator[str]:
    if isinstance(one.instruction, Arg):
        yield from (name for name, _ in one.instruction.args)
    elif isinstance(one.instruction, Env):
        yield from (one.words.get(pair.name, pair.name) for pair in one.instruction.pairs)


def copy_ignored_file(subject: Subject) -> Iterator[Remark]:
    """A source is left out of the context."""
    for one in subject.trace.evaluated:
        copy = one.instruction
        if isinstance(copy, Copy) and copy.origin is None:
            ignored = subject.ignored()
            sources = [one.words.get(source, source) for source in copy.sources]
            for path in [clean(source) for source in sources if not (copy.add and _REMOTE.match(source))]:
                if _is_ignored(path, ignored):
                    yield _of(
                        subject, one, f"{path}: the ignore file leaves it out of the context: take out one of both"
                    )


def _is_ignored(path: str, ignored: Ignore) -> bool:
    """Without patterns that take back: what these leave of a folder cannot be told without looking into it."""
    if ignored.takes_back:
        return False
    if path in (".", "/") and not any(one.text in _EVERYTHING for one in ignored.patterns):
        return False
    return ignored.matches(path)


def expose_proto_casing(subject: Subject) -> Iterator[Remark]:
    """A protocol has capitals."""
    for one, port in _ports(subject):
        protocol = port.rpartition(":")[2].partition("/")[2]
        if protocol != protocol.lower():
            yield _of(subject, one, f"{port}: write the protocol in lower case")


def expose_invalid_format(subject: Subject) -> Iterator[Remark]:
    """EXPOSE names an address or a port of the host."""
    for one, port in _ports(subject):
        if port.rpartition(":")[0].strip(":"):
            yield _of(subject, one, f"{port}: EXPOSE takes ports of the container alone; it will become an error")


def _ports(subject: Subject) -> Iterator[tuple[Evaluated, str]]:
    for one in subject.trace.evaluated:
        if isinstance(one.instruction, Expose):
            for word in one.instruction.ports:
                for port in one.words.get(word, "").split(" "):
                    yield one, port


def _name(instruction: Instruction) -> str:
    return type(instruction).__name__.upper()


def _of(subject: Subject, one: Evaluated, message: str) -> Remark:
    return Remark(one.instruction.place, message, subject.node(one.instruction))
