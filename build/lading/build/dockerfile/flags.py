"""The ``--flags`` of an instruction: known by name, unknown with a hint, not yet built with their name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from lading.build.dockerfile.parser import InstructionNode
from lading.build.errors import DockerfileError, suggestion
from lading.store.fastclass import dataclass


@dataclass(frozen=True, slots=True)
class Allowed:
    """What flags an instruction has: with a value, switches, values given more than once, and those refused so far."""

    values: Collection[str] = ()
    switches: Collection[str] = ()
    repeated: Collection[str] = ()
    later: Collection[str] = ()


def read(node: InstructionNode, allowed: Allowed) -> Mapping[str, str]:
    """The flags of `node` by name: a switch is ``true`` or ``false``; repeated ones are `values`'."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    for name, value in _split(node, allowed):
        if name in seen and name not in allowed.repeated:
            raise DockerfileError(node.place, f"{node.word.upper()}: duplicate flag: --{name}")
        seen.add(name)
        if name in allowed.switches:
            found[name] = "true" if _switch(node, name, value) else "false"
        elif value is None:
            raise DockerfileError(node.place, f"{node.word.upper()}: missing a value on flag: --{name}")
        elif name not in allowed.repeated:
            found[name] = value
    return found


def values(node: InstructionNode, name: str) -> tuple[str, ...]:
    """Every value of the flag `name`, which may be repeated; `read` has checked them."""
    start = f"--{name}="
    return tuple(flag.removeprefix(start) for flag in node.flags if flag.startswith(start))


def _split(node: InstructionNode, allowed: Allowed) -> Iterator[tuple[str, str | None]]:
    word = node.word.upper()
    known = {*allowed.values, *allowed.switches, *allowed.repeated, *allowed.later}
    for flag in node.flags:
        name, equals, value = flag.removeprefix("--").partition("=")
        if name in allowed.later:
            raise DockerfileError(node.place, f"{word} --{name} is not supported yet")
        if name not in known:
            near = suggestion(f"--{name}", [f"--{one}" for one in known])
            raise DockerfileError(node.place, f"{word}: unknown flag: --{name}{near}")
        yield name, value if equals else None


def _switch(node: InstructionNode, name: str, value: str | None) -> bool:
    if value == "":
        raise DockerfileError(node.place, f"{node.word.upper()}: missing a value on flag: --{name}")
    if value is None or value.lower() == "true":
        return True
    if value.lower() == "false":
        return False
    raise DockerfileError(node.place, f"{node.word.upper()} --{name}: expected true or false, not {value!r}")
