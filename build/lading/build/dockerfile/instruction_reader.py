"""Nodes to instructions (moby/buildkit ``frontend/dockerfile/instructions/parse.go``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from lading.build.dockerfile import parser
from lading.build.dockerfile.arguments import heredoc
from lading.build.dockerfile.directives import syntax
from lading.build.dockerfile.expansion import trim
from lading.build.dockerfile.flags import Allowed
from lading.build.dockerfile.flags import read as read_flags
from lading.build.dockerfile.flags import values as flag_values
from lading.build.dockerfile.instruction_values import csv_fields, number, parse_duration
from lading.build.dockerfile.instructions import (
    Arg,
    Cmd,
    Command,
    Copy,
    Dockerfile,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    MountFlag,
    Onbuild,
    Pair,
    Run,
    Shell,
    Stage,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from lading.build.dockerfile.parser import InstructionNode, ParsedDockerfile
from lading.build.errors import DockerfileError, Place, reading, suggestion
from lading.store.fastclass import replace
from lading.store.system.patterns import pattern

_STAGE_NAME: Final = pattern(r"[a-z][a-z0-9-_.]*\Z")
_MAX_STAGES: Final = 1000
_HEALTH_FLAGS: Final = ("interval", "timeout", "start-period", "start-interval", "retries")
_NONE: Final = Allowed()
_COPY_FLAGS: Final = Allowed(("chown", "chmod", "from"), ("link", "parents"), ("exclude",))
_ADD_FLAGS: Final = Allowed(("chown", "chmod", "checksum"), ("link", "unpack", "keep-git-dir"), ("exclude",))
_ONBUILD: Final = pattern(r"(?i)^[\t\n\f\r ]*ONBUILD[\t\n\f\r ]*")


def read(data: bytes, name: str) -> Dockerfile:
    """The Dockerfile in `data`, called `name` in errors. Raises `DockerfileError`."""
    return understand(parser.parse(data, name), syntax(data, name))


def understand(source: ParsedDockerfile, named: str | None = None) -> Dockerfile:
    """What is written, as instructions; `named` is the front end that is asked for. Raises `DockerfileError`."""
    args: list[Arg] = []
    heads: list[tuple[From, list[Instruction]]] = []
    for node in source.nodes:
        # Neither a path nor a word of a command can hold one; a file that a COPY makes can.
        if "\0" in node.original or any("\0" in argument for argument in node.args):
            raise DockerfileError(node.place, "a NUL byte in an instruction")
        if node.word.lower() == "from":
            heads.append((_from(node), []))
            continue
        instruction = _instruction(node)
        if heads:
            heads[-1][1].append(instruction)
        elif isinstance(instruction, Arg):
            args.append(instruction)
        else:
            raise DockerfileError(node.place, f"{node.word.upper()} before the first FROM")
    if not heads:
        raise DockerfileError(source.nodes[-1].place, "no FROM: there is nothing to build")
    if len(heads) > _MAX_STAGES:
        raise DockerfileError(heads[_MAX_STAGES][0].place, f"more than {_MAX_STAGES} stages")
    stages = tuple(Stage(index, head, tuple(body)) for index, (head, body) in enumerate(heads))
    return Dockerfile(source, tuple(args), stages, named)


def read_trigger(text: str, place: Place) -> Instruction:
    """The instruction that an ONBUILD at hand has kept, for the stage that begins at `place`."""
    name = place.file
    try:
        nodes = parser.parse(text.encode("utf-8", "surrogateescape"), name).nodes
        if len(nodes) != 1:
            raise DockerfileError(place, "an ONBUILD trigger is a single instruction")
        return _instruction(replace(nodes[0], place=place))
    except DockerfileError as error:
        raise DockerfileError(place, f"ONBUILD: {error.message.removeprefix(f'{error.place}: ')}") from None


def _instruction(node: InstructionNode) -> Instruction:
    found = _READERS.get(node.word.lower())
    if found is None:
        near = suggestion(node.word.upper(), [name.upper() for name in (*_READERS, "from")])
        raise DockerfileError(node.place, f"unknown instruction: {node.word}{near}")
    with reading(node.place):
        return found(node)


def _from(node: InstructionNode) -> From:
    flags = read_flags(node, Allowed(values=("platform",)))
    name = None
    if len(node.args) == 3 and node.args[1].lower() == "as":
        name = node.args[2].lower()
        if not _STAGE_NAME.match(name):
            raise DockerfileError(
                node.place,
                f"invalid name for a stage: {node.args[2]!r}",
                hint="it begins with a letter; letters, digits, - _ and . follow",
            )
    elif len(node.args) != 1:
        raise DockerfileError(node.place, "FROM requires one argument, or three: image AS name")
    return From(node.place, node.args[0], name, flags.get("platform"))


def _one(node: InstructionNode, allowed: Allowed | None = _NONE) -> str:
    """The one argument; `allowed` is None where the reference does not look at flags."""
    if allowed is not None:
        read_flags(node, allowed)
    if len(node.args) != 1:
        raise DockerfileError(node.place, f"{node.word.upper()} requires exactly one argument")
    return node.args[0]


def _some(node: InstructionNode, allowed: Allowed | None = _NONE) -> tuple[str, ...]:
    if allowed is not None:
        read_flags(node, allowed)
    if not node.args:
        raise DockerfileError(node.place, f"{node.word.upper()} requires at least one argument")
    return node.args


def _pairs(node: InstructionNode) -> tuple[Pair, ...]:
    args = _some(node)
    pairs = tuple(Pair(args[at], args[at + 1]) for at in range(0, len(args), 3))
    if any(not pair.name for pair in pairs):
        raise DockerfileError(node.place, f"{node.word.upper()} names can not be blank")
    return pairs


def _arg(node: InstructionNode) -> Arg:
    found: list[tuple[str, str | None]] = []
    for text in _some(node, None):
        name, equals, value = text.partition("=")
        if not name:
            raise DockerfileError(node.place, "ARG names can not be blank")
        found.append((name, value if equals else None))
    return Arg(node.place, tuple(found))


def _copy(node: InstructionNode) -> Copy:
    add = node.word.lower() == "add"
    word = node.word.upper()
    flags = read_flags(node, _ADD_FLAGS if add else _COPY_FLAGS)
    if len(node.args) < 2:
        raise DockerfileError(node.place, f"{word} requires at least two arguments: a source and a destination")
    *given, destination = node.args
    if heredoc(destination):
        raise DockerfileError(node.place, f"{word} cannot accept a heredoc as a destination")
    for document in filter(None, map(heredoc, given)):
        if "/" in document.name or document.name in (".", ".."):
            raise DockerfileError(node.place, f"{word}: a heredoc's name becomes a file's: {document.name!r} is a path")
    contents = {document.name: document.content for document in node.heredocs}
    announced = [(one, heredoc(one)) for one in given]
    return Copy(
        node.place,
        add,
        tuple(one for one, document in announced if document is None),
        tuple(replace(found, content=contents.get(found.name, "")) for _, found in announced if found),
        destination,
        flags.get("from") or None,
        flags.get("chown", ""),
        flags.get("chmod", ""),
        flags.get("link") == "true",
        flags.get("parents") == "true",
        flag_values(node, "exclude"),
        _switch(flags, "unpack"),
        flags.get("checksum", ""),
        _switch(flags, "keep-git-dir"),
    )


def _switch(flags: Mapping[str, str], name: str) -> bool | None:
    return flags[name] == "true" if name in flags else None


def _command(node: InstructionNode) -> Command:
    """An empty one is a shell's: it runs nothing, and `CMD []` takes back what the base has."""
    return Command(node.args, not node.json)


def _run(node: InstructionNode) -> Run:
    flags = read_flags(node, Allowed(("network", "security"), repeated=("mount",), later=("device",)))
    network, security = flags.get("network", "default"), flags.get("security", "sandbox")
    if network not in ("default", "none", "host"):
        raise DockerfileError(node.place, f"RUN --network: expected default, none or host, not {network!r}")
    if security not in ("sandbox", "insecure"):
        raise DockerfileError(node.place, f"RUN --security: expected sandbox or insecure, not {security!r}")
    if node.json and not node.args:
        raise DockerfileError(node.place, "RUN requires a command")
    mounts = tuple(_mount(node, value) for value in flag_values(node, "mount"))
    return Run(node.place, _command(node), node.heredocs, network, security, mounts)


def _mount(node: InstructionNode, value: str) -> MountFlag:
    """Only what says which stage it needs is looked at: all else may have variables in it."""
    with reading(node.place, "RUN --mount: "):
        fields = csv_fields(value)
    origins = [found[2] for field in fields if (found := field.partition("="))[0].lower() == "from" and found[1]]
    if any("$" in origin[:-1] for origin in origins):
        raise DockerfileError(
            node.place,
            "RUN --mount: variables are not expanded in from",
            hint="name a stage FROM the variable, and mount from that stage",
        )
    return MountFlag(fields, origins[-1] if origins else "")


def _onbuild(node: InstructionNode) -> Onbuild:
    read_flags(node, _NONE)
    if node.child is None:
        raise DockerfileError(node.place, "ONBUILD requires at least one argument")
    word = trim(node.child.word).upper()
    if word == "ONBUILD":
        raise DockerfileError(node.place, "chaining ONBUILD by ONBUILD ONBUILD is not allowed")
    if word in ("MAINTAINER", "FROM"):
        raise DockerfileError(node.place, f"{word} is not allowed as an ONBUILD trigger")
    trigger = _ONBUILD.sub("", node.original)
    return Onbuild(node.place, trigger + "".join(f"\n{one.content}{one.name}" for one in node.heredocs))


def _shell(node: InstructionNode) -> Shell:
    args = _some(node)
    if not node.json:
        raise DockerfileError(node.place, f"SHELL requires its arguments as a JSON array, not {args[0]!r}")
    return Shell(node.place, args)


def _volume(node: InstructionNode) -> Volume:
    paths = tuple(trim(path) for path in _some(node))
    if "" in paths:
        raise DockerfileError(node.place, "VOLUME can not be an empty string")
    return Volume(node.place, paths)


def _healthcheck(node: InstructionNode) -> Healthcheck:
    kind, *command = _some(node, None)
    if kind.upper() == "NONE":
        if command:
            raise DockerfileError(node.place, "HEALTHCHECK NONE takes no arguments")
        return Healthcheck(node.place, ("NONE",))
    flags = read_flags(node, Allowed(_HEALTH_FLAGS))
    if kind.upper() != "CMD":
        raise DockerfileError(node.place, f"unknown type {kind!r} in HEALTHCHECK: it must be CMD or NONE")
    if not command:
        raise DockerfileError(node.place, "missing command after HEALTHCHECK CMD")
    return Healthcheck(
        node.place,
        ("CMD" if node.json else "CMD-SHELL", *command),
        **{name.replace("-", "_"): _health_value(node, name, value) for name, value in flags.items() if value},
    )


def _health_value(node: InstructionNode, name: str, value: str) -> int:
    if name != "retries":
        with reading(node.place, f"HEALTHCHECK --{name}: "):
            return parse_duration(value)
    retries = number(value.removeprefix("+"), 2**31 - 1)
    if retries is None:
        raise DockerfileError(node.place, f"HEALTHCHECK --retries: not a number from 0 to {2**31 - 1}: {value!r}")
    return retries


def _no_flags(node: InstructionNode) -> InstructionNode:
    read_flags(node, _NONE)
    return node


_READERS: Final[dict[str, Callable[[InstructionNode], Instruction]]] = {
    "add": _copy,
    "arg": _arg,
    "cmd": lambda node: Cmd(node.place, _command(_no_flags(node))),
    "copy": _copy,
    "entrypoint": lambda node: Entrypoint(node.place, _command(_no_flags(node))),
    "env": lambda node: Env(node.place, _pairs(node)),
    "expose": lambda node: Expose(node.place, _some(node)),
    "healthcheck": _healthcheck,
    "label": lambda node: Label(node.place, _pairs(node)),
    "maintainer": lambda node: Maintainer(node.place, _one(node)),
    "onbuild": _onbuild,
    "run": _run,
    "shell": _shell,
    "stopsignal": lambda node: StopSignal(node.place, _one(node, None)),
    "user": lambda node: User(node.place, _one(node)),
    "volume": _volume,
    "workdir": lambda node: Workdir(node.place, _one(node)),
}
