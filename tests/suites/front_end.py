"""The Dockerfile front end beside the reference's own, `tests/build/reference`: both asked the same, and compared."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from lading.build.dockerfile import instruction_reader, parser
from lading.build.dockerfile.expansion import expand
from lading.build.dockerfile.instructions import (
    Arg,
    Cmd,
    Copy,
    Dockerfile,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
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
from lading.build.dockerfile.parser import InstructionNode
from lading.build.dockerfile.substitution import WordError
from lading.build.errors import DockerfileError

MODULE: Final = Path(__file__).resolve().parents[1] / "build" / "reference"
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "lading-tests"
BUILDING: Final = 900
"""Seconds that Go may take to fetch and compile."""

Answer: TypeAlias = dict[str, Any]


def built() -> Path | str:
    """The program, or why it cannot be had here."""
    CACHE.mkdir(parents=True, exist_ok=True)
    program = CACHE / "reference"
    words = ["go", "build", "-trimpath", "-o", str(program), "."]
    try:
        done = subprocess.run(words, cwd=MODULE, capture_output=True, text=True, timeout=BUILDING, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"needs go: {error}"
    return program if done.returncode == 0 else f"needs BuildKit's module for Go: {done.stderr.strip()[-200:]}"


class Reference:
    """A running program that answers."""

    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def close(self) -> None:
        """Ends it."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()

    def ask(self, question: Mapping[str, object]) -> Answer:
        """What it says."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(question).encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def dockerfile(self, data: bytes, **more: object) -> Answer:
        """What it makes of a Dockerfile."""
        return self.ask({"dockerfile": base64.b64encode(data).decode(), **more})

    def word(self, word: str, variables: Mapping[str, str], escape: str, **flags: bool) -> Answer:
        """What it expands a word to."""
        env = [f"{name}={value}" for name, value in variables.items()]
        return self.ask({"word": word, "env": env, "escape": escape, **flags})


_NAMES: Final = """
    add arg cmd copy entrypoint env expose from healthcheck label maintainer onbuild run shell stopsignal user volume
    workdir
"""
_WORDS: Final = frozenset(_NAMES.split())

# What ours answers, in the same form.


def our_word(word: str, variables: Mapping[str, str], escape: str, **flags: bool) -> Answer:
    """As `Reference.word`."""
    try:
        found = expand(
            word,
            variables,
            escape=escape,
            raw_quotes=flags.get("rawQuotes", False),
            raw_escapes=flags.get("rawEscapes", False),
            quotes=not flags.get("noQuotes", False),
            keep_unset=flags.get("keepUnset", False),
        )
    except WordError as error:
        return {"error": str(error)}
    return {"text": found.text, "words": list(found.words), "unset": sorted(found.unset)}


def our_dockerfile(data: bytes) -> Answer:
    """As `Reference.dockerfile`."""
    try:
        parsed = parser.parse(data, "D")
    except DockerfileError as error:
        return {"parse_error": error.message, "error_line": error.place.line}
    found: Answer = {
        "nodes": [_node(node) for node in parsed.nodes],
        "escape": parsed.escape,
        "empty": list(parsed.empty),
    }
    try:
        dockerfile = instruction_reader.read(data, "D")
    except DockerfileError as error:
        return {**found, "instructions_error": error.message, "error_line": error.place.line}
    return {**found, "instructions": [_shape(one) for one in _all(dockerfile)]}


def _node(node: InstructionNode, *, inner: bool = False) -> Answer:
    return {
        "word": node.word,
        "flags": list(node.flags),
        # What follows an unknown word has no form.
        **({"args": list(node.args) if node.child is None else []} if node.word.lower() in _WORDS else {}),
        "json": node.json,
        **({} if inner else {"start": node.place.line, "end": node.place.end, "comments": list(node.comments)}),
        "original": node.original,
        "heredocs": [
            {"Name": one.name, "Expand": one.expand, "Chomp": one.chomp, "Content": one.content}
            for one in node.heredocs
        ],
        "child": None if node.child is None else _node(node.child, inner=True),
    }


def _all(dockerfile: Dockerfile) -> list[Any]:
    found: list[Any] = list(dockerfile.args)
    for stage in dockerfile.stages:
        found += [stage.head, *stage.body]
    return found


def _command(kind: str, one: Run | Cmd | Entrypoint) -> Answer:
    documents = [[each.name, each.content, each.chomp] for each in getattr(one, "documents", ())]
    return {"kind": kind, "args": list(one.command.args), "shell": one.command.shell, "documents": documents}


def _copy(one: Copy) -> Answer:
    return {
        "kind": "add" if one.add else "copy",
        "sources": list(one.sources),
        "documents": [[each.name, each.text, each.expand] for each in one.documents],
        "destination": one.destination,
        "chown": one.chown,
        "chmod": one.chmod,
        "link": one.link,
        "exclude": list(one.exclude),
        **({"checksum": one.checksum} if one.add else {"from": one.origin or "", "parents": one.parents}),
    }


def _healthcheck(one: Healthcheck) -> Answer:
    names = ("interval", "timeout", "start_period", "start_interval", "retries")
    return {"kind": "healthcheck", "test": list(one.test), **{name: getattr(one, name) for name in names}}


_SHAPES: dict[type, Callable[[Any], Answer]] = {
    Arg: lambda one: {"kind": "arg", "args": [list(pair) for pair in one.args]},
    Env: lambda one: {"kind": "env", "pairs": [[pair.name, pair.value] for pair in one.pairs]},
    Label: lambda one: {"kind": "label", "pairs": [[pair.name, pair.value] for pair in one.pairs]},
    From: lambda one: {"kind": "from", "image": one.image, "name": one.name or "", "platform": one.platform or ""},
    Copy: _copy,
    Run: lambda one: _command("run", one),
    Cmd: lambda one: _command("cmd", one),
    Entrypoint: lambda one: _command("entrypoint", one),
    Workdir: lambda one: {"kind": "workdir", "path": one.path},
    User: lambda one: {"kind": "user", "user": one.user},
    Expose: lambda one: {"kind": "expose", "ports": sorted(one.ports)},
    Volume: lambda one: {"kind": "volume", "paths": list(one.paths)},
    StopSignal: lambda one: {"kind": "stopsignal", "signal": one.signal},
    Shell: lambda one: {"kind": "shell", "args": list(one.args)},
    Maintainer: lambda one: {"kind": "maintainer", "name": one.name},
    Healthcheck: _healthcheck,
    Onbuild: lambda one: {"kind": "onbuild", "expression": one.trigger},
}


def _shape(one: object) -> Answer:
    return _SHAPES[type(one)](one)


# Both, compared.

_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_STRICTER: Final = re.compile(
    r"not UTF-8 text|the front end |a NUL byte|not supported yet|more than \d+ stages|a duration: one of"
    r"|RUN requires a command|a heredoc's name becomes a file's|substitutions inside each other"
)
"""What ours refuses with its own reason (`docs/dockerfile.md`), or earlier than the reference, or has not yet."""


_BYTES: Final = re.compile(rb"(?i)(?:--|healthcheck)[^\n]*[\x80-\xff]")
"""Where the reference takes a character for each byte (`docs/dockerfile.md`)."""


def plain(value: Any) -> Any:
    """Without what JSON cannot hold: the reference writes a replacement character for a byte that is no text."""
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def _picked(theirs: Any, ours: Any) -> Any:
    """Of what the reference says, that which ours says too."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return {key: _picked(theirs.get(key), value) for key, value in ours.items()}
    if isinstance(ours, list) and theirs is None:
        return []
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [_picked(one, other) for one, other in zip(theirs, ours, strict=True)]
    return theirs


def difference_in_dockerfile(data: bytes, theirs: Answer, ours: Answer) -> str | None:
    """In what the two differ, None where they do not, or differ as is written down."""
    ours = plain(ours)
    for kind in ("parse_error", "instructions_error"):
        said, refused = ours.get(kind), theirs.get(kind)
        if said and _STRICTER.search(said):
            return None
        if bool(said) != bool(refused):
            if _BYTES.search(data):
                return None
            return f"{kind}: {said!r}, the reference: {refused!r}"
    if any(_read_as_bytes(node) for node in ours.get("nodes", ())):
        return None
    for part in ("nodes", "escape", "empty", "instructions"):
        mine, other = ours.get(part), _picked(theirs.get(part), ours.get(part))
        if mine != other:
            return f"{part}: {_first(mine, other)}"
    return None


def _read_as_bytes(node: Answer) -> bool:
    """Whether the reference takes a character for each byte of what stands there (`docs/dockerfile.md`)."""
    words = [*node["flags"], *(node.get("args", ())[:1] if node["word"].lower() == "healthcheck" else ())]
    inner = node["child"] is not None and _read_as_bytes(node["child"])
    return inner or any(not word.isascii() for word in words)


def warned(theirs: Answer) -> list[list[Any]]:
    """The rules that speak, and the lines; one that speaks twice of a line is here once."""
    return sorted([rule, line] for rule, line in {(one["rule"], one["line"]) for one in theirs.get("warnings", ())})


def _first(mine: Any, other: Any) -> str:
    """The smallest part that differs."""
    if isinstance(mine, list) and isinstance(other, list) and len(mine) == len(other):
        return next(_first(one, two) for one, two in zip(mine, other, strict=True) if one != two)
    if isinstance(mine, dict) and isinstance(other, dict) and mine.keys() == other.keys():
        return next(f"{key}: {_first(mine[key], other[key])}" for key in mine if mine[key] != other[key])
    return f"{mine!r}, the reference: {other!r}"


def difference_in_word(theirs: Answer, ours: Answer) -> str | None:
    """As `difference_in_dockerfile`."""
    if ("error" in ours) != ("error" in theirs):
        return f"{ours!r}, the reference: {theirs!r}"
    if "error" in ours:
        return None
    for part in ("text", "words", "unset"):
        if plain(ours[part]) != (theirs[part] or type(ours[part])()):
            return f"{part}: {ours[part]!r}, the reference: {theirs[part]!r}"
    return None
