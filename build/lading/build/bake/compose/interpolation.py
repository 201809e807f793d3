"""Variables in the values of a Compose file, and the files that give them (compose-go's template and dotenv)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, cast

from lading.build.errors import TextError
from lading.store.system.patterns import pattern

VariableLookup = Callable[[str], "str | None"]
_NAME: Final = pattern(r"[a-zA-Z_][a-zA-Z0-9_]*")
_OPERATOR: Final = pattern(r":?[-?+]")
_LINE: Final = re.compile(r"\s*(?:export\s+)?([a-zA-Z_][\w.-]*)\s*(?:=|:\s)\s*")
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$$"}
_MAX_DEPTH: Final = 20


def interpolated(value: object, lookup: VariableLookup, where: str = "") -> object:
    """`value` with the variables of all its texts replaced. Raises `TextError`."""
    if isinstance(value, str):
        try:
            return substituted(value, lookup)
        except TextError as error:
            raise TextError(f"{where}: {error}") from None
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {name: interpolated(one, lookup, f"{where}.{name}" if where else name) for name, one in members.items()}
    if isinstance(value, list):
        items = cast("list[object]", value)
        return [interpolated(one, lookup, f"{where}[{at}]") for at, one in enumerate(items)]
    return value


def substituted(text: str, lookup: VariableLookup, depth: int = 0) -> str:
    """``$NAME``, ``${NAME}`` and ``${NAME:-default}`` and its kin replaced, ``$$`` a dollar. Raises `TextError`."""
    found: list[str] = []
    at = 0
    while at < len(text):
        if text[at] != "$":
            end = text.find("$", at)
            end = len(text) if end < 0 else end
            found.append(text[at:end])
            at = end
        elif text.startswith("$$", at):
            found.append("$")
            at += 2
        else:
            value, at = _variable(text, at + 1, lookup, depth)
            found.append(value)
    return "".join(found)


def _variable(text: str, at: int, lookup: VariableLookup, depth: int) -> tuple[str, int]:
    braced = text.startswith("{", at)
    name = _NAME.match(text, at + braced)
    if name is None and not braced:
        return "$", at
    if name is None or depth > _MAX_DEPTH:
        raise TextError(f"{text!r} is no template: a dollar is written $$")
    if not braced:
        return lookup(name[0]) or "", name.end()
    end = _closing(text, name.end())
    operator = _OPERATOR.match(text, name.end())
    if operator is None:
        if end != name.end():
            raise TextError(f"{text!r} is no template: expected }} after {name[0]}")
        return lookup(name[0]) or "", end + 1
    return _chosen(name[0], operator[0], text[operator.end() : end], lookup, depth), end + 1


def _closing(text: str, at: int) -> int:
    level = 0
    while at < len(text):
        if text.startswith("${", at):
            level += 1
        elif text[at] == "}":
            if not level:
                return at
            level -= 1
        at += 1
    raise TextError(f"{text!r} is no template: a brace is not closed")


def _chosen(name: str, operator: str, word: str, lookup: VariableLookup, depth: int) -> str:
    value = lookup(name)
    there = bool(value) if operator[0] == ":" else value is not None
    match operator[-1]:
        case "-":
            return (value or "") if there else substituted(word, lookup, depth + 1)
        case "+":
            return substituted(word, lookup, depth + 1) if there else ""
        case _:
            if not there:
                raise TextError(f"required variable {name} is missing a value: {substituted(word, lookup, depth + 1)}")
            return value or ""


def dotenv(text: str, lookup: VariableLookup) -> Mapping[str, str]:
    """The variables that a ``.env`` file gives; in it those before and those of `lookup` count. Raises `TextError`."""
    found: dict[str, str] = {}

    def known(name: str) -> str | None:
        value = lookup(name)
        return found.get(name) if value is None else value

    at, number = 0, 0
    lines = text.replace("\r\n", "\n").split("\n")
    while number < len(lines):
        line = lines[number]
        number += 1
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        begin = _LINE.match(line)
        if begin is None:
            name = line.strip().removeprefix("export ").strip()
            if not _NAME.fullmatch(name):
                raise TextError(f"line {number} is no variable: NAME=VALUE or NAME are")  # the line may be a secret
            if (value := known(name)) is not None:
                found[name] = value
            continue
        rest = line[begin.end() :]
        if rest[:1] in ("'", '"'):
            while _end_of_quotes(rest) < 0 and number < len(lines):
                rest += "\n" + lines[number]
                number += 1
            found[begin[1]] = _unquoted(rest, known, at)
        else:
            found[begin[1]] = substituted(re.split(r"\s#", rest)[0].strip(), known)
    return found


def _end_of_quotes(text: str) -> int:
    quote, at = text[0], 1
    while at < len(text):
        if text[at] == "\\" and quote == '"':
            at += 1
        elif text[at] == quote:
            return at
        at += 1
    return -1


def _unquoted(text: str, known: VariableLookup, depth: int) -> str:
    end = _end_of_quotes(text)
    if end < 0:
        raise TextError(f"{text.splitlines()[0]!r}: a quote is not closed")
    if text[0] == "'":
        return text[1:end]
    plain = re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), text[1:end], flags=re.DOTALL)
    return substituted(plain, known, depth)
