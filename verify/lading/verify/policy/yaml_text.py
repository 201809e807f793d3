"""YAML as people write configuration in it, read so that nothing is taken in two ways.

Values keep their line. Refused: duplicate keys, unknown members, tags, merge keys, several documents, keys that
YAML takes for something other than text, and whatever is deeper or larger than a person would write. Aliases
are followed, within the same bound.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator
from typing import Final, TypeVar, cast

import yaml

from lading.store.system.patterns import pattern

MAX_SIZE: Final = 1024 * 1024
"""Characters."""
MAX_DEPTH: Final = 32
MAX_VALUES: Final = 20_000
"""Counted where they are used, so an alias counts each time."""

_CORE: Final = "tag:yaml.org,2002:"
_STR: Final = "tag:yaml.org,2002:str"
_INT: Final = "tag:yaml.org,2002:int"
_BOOL: Final = "tag:yaml.org,2002:bool"
_T = TypeVar("_T")
_DECIMAL: Final = pattern(r"[-+]?(?:0|[1-9][0-9]{0,17})")


class YamlError(ValueError):
    """What is wrong, beginning with file and line."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class Loader(yaml.CSafeLoader):
    """PyYAML's safe loader over libyaml; only its composer is used, so no tag ever makes an object."""


def load(text: str, source: str) -> Value:
    """The one document in `text`. Raises `YamlError`."""
    if len(text) > MAX_SIZE:
        raise YamlError(f"{source}: more than {MAX_SIZE} characters")
    try:
        _check_depth(text, source)
        node = yaml.compose(text, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line if mark else 0
        here = "".join(text.splitlines()[line : line + 1])
        hint = "YAML is set in with spaces, never with tabs" if "\t" in here[: len(here) - len(here.lstrip())] else None
        raise YamlError(f"{source}:{line + 1}: not valid YAML: {error.problem}", hint=hint) from None
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, YamlError):
            raise
        raise YamlError(f"{source}: not valid YAML: {str(error).splitlines()[0]}") from None
    if node is None:
        raise YamlError(f"{source}: is empty")
    return Value(node, source, "", _Budget(source))


def _check_depth(text: str, source: str) -> None:
    """Before composing, which recurses."""
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise YamlError(f"{source}:{line}: nested more than {MAX_DEPTH} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Budget:
    """How many more values may be looked at."""

    def __init__(self, source: str) -> None:
        self._left = MAX_VALUES
        self._source = source

    def spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise YamlError(f"{self._source}: more than {MAX_VALUES} values")


class Value:
    """One value: a scalar, a list or a section, at a place in a file."""

    def __init__(self, node: yaml.Node, source: str, path: str, budget: _Budget) -> None:
        budget.spend()
        self._node = node
        self._source = source
        self._budget = budget
        self.path = path

    def error(self, message: str, hint: str | None = None) -> YamlError:
        """An error at this value's place."""
        place = f"{self._source}:{self._node.start_mark.line + 1}: "
        return YamlError(place + (f"{self.path}: " if self.path else "") + message, hint)

    @property
    def is_section(self) -> bool:
        """Whether it has members."""
        return isinstance(self._node, yaml.MappingNode)

    def text(self) -> str:
        """A non-empty string."""
        text = self._scalar(_STR, "a text")
        if not text:
            raise self.error("must not be empty")
        return text

    def integer(self) -> int:
        """A decimal number."""
        text = self._scalar(_INT, "a number")
        if not text.isascii() or not text.removeprefix("-").isdigit() or len(text) > 9:
            raise self.error(f"{text[:40]!r} is not a plain decimal number")
        return int(text)

    def boolean(self) -> bool:
        """``true`` or ``false``; YAML's other words for them are refused."""
        text = self._scalar(_BOOL, "true or false")
        if text not in ("true", "false"):
            raise self.error(f"{text!r}: write true or false")
        return text == "true"

    def each(self, read: Callable[[Value], _T]) -> tuple[_T, ...]:
        """A list, each element read by `read`."""
        if not isinstance(self._node, yaml.SequenceNode) or self._node.tag != "tag:yaml.org,2002:seq":
            raise self.error(f"expected a list, found {self._kind()}")
        return tuple(read(self._child(node, f"[{at}]")) for at, node in enumerate(self._node.value))

    def plain(self, depth: int = 0) -> object:
        """As Python has it: texts, numbers, truths, nothing, lists, and sections with what ``<<`` merges into them."""
        if depth > MAX_DEPTH:
            raise self.error(f"nested more than {MAX_DEPTH} deep")
        if not self._node.tag.startswith(_CORE):
            raise self.error(f"the tag {self._node.tag} is not supported")
        if isinstance(self._node, yaml.SequenceNode):
            return [self._child(node, f"[{at}]").plain(depth + 1) for at, node in enumerate(self._node.value)]
        if isinstance(self._node, yaml.MappingNode):
            return self._plain_members(depth)
        return _plain_scalar(self._node.tag.removeprefix(_CORE), str(self._node.value))

    def _plain_members(self, depth: int) -> dict[str, object]:
        own: dict[str, object] = {}
        below: dict[str, object] = {}
        for key, node in self._node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
            value = self._child(node, f".{name}" if self.path else name)
            if key.tag == f"{_CORE}merge":
                parts = value.plain(depth + 1)
                for part in reversed(cast("list[object]", parts) if isinstance(parts, list) else [parts]):
                    if not isinstance(part, dict):
                        raise value.error("<< merges sections")
                    below.update(cast("dict[str, object]", part))
            elif not name or name in own:
                raise self._child(key, "").error(f"{name!r} is there twice" if name else "a name is a text")
            else:
                own[name] = value.plain(depth + 1)
        return {**below, **own}

    def section(self, *known: str) -> Section:
        """A section whose members are among `known`; of any names where none are given."""
        if not isinstance(self._node, yaml.MappingNode) or self._node.tag != "tag:yaml.org,2002:map":
            raise self.error(f"expected a section, found {self._kind()}")
        return Section(self, dict(self._members(known)))

    def _members(self, known: tuple[str, ...]) -> Iterator[tuple[str, Value]]:
        seen: set[str] = set()
        for key, node in self._node.value:
            name = self._child(key, "").text()
            value = self._child(node, name if not self.path else f".{name}")
            if name in seen:
                raise self._child(key, "").error(f"{name!r} is there twice")
            if known and name not in known:
                raise self._child(key, "").error(f"unknown member {name!r}", _suggest(name, known))
            seen.add(name)
            yield name, value

    def _child(self, node: yaml.Node, step: str) -> Value:
        return Value(node, self._source, self.path + step, self._budget)

    def _scalar(self, tag: str, wanted: str) -> str:
        if not isinstance(self._node, yaml.ScalarNode) or self._node.tag != tag:
            hint = "put it in quotes" if tag == _STR and isinstance(self._node, yaml.ScalarNode) else None
            raise self.error(f"expected {wanted}, found {self._kind()}", hint)
        return str(self._node.value)

    def _kind(self) -> str:
        names = {"map": "a section", "seq": "a list", "str": "a text", "int": "a number", "bool": "true or false"}
        name = self._node.tag.rpartition(":")[2]
        return names.get(name, "nothing" if name == "null" else f"a value of the type {name!r}")


class Section:
    """The members of a section."""

    def __init__(self, value: Value, members: dict[str, Value]) -> None:
        self.value = value
        self._members = members

    def __iter__(self) -> Iterator[tuple[str, Value]]:
        return iter(self._members.items())

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def get(self, name: str, read: Callable[[Value], _T]) -> _T | None:
        """Member `name` read by `read`, None where it is left out."""
        return read(self._members[name]) if name in self._members else None

    def need(self, name: str, read: Callable[[Value], _T]) -> _T:
        """Member `name` read by `read`; its absence is an error."""
        if name not in self._members:
            raise self.value.error(f"{name!r} is missing")
        return read(self._members[name])


def _fraction(text: str) -> object:
    """One of sixties (``1:30.5``) is text, and what is not finite."""
    try:
        number = float(text.replace("_", ""))
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def _plain_scalar(kind: str, text: str) -> object:
    """A word that only some readers take for a truth, a date or a number of another base is text."""
    if kind == "null":
        return None
    if kind == "bool" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind == "int" and _DECIMAL.fullmatch(text):
        return int(text)
    if kind == "float":
        return _fraction(text)
    return text


def _suggest(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"
