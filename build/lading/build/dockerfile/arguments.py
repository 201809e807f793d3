"""The rest of an instruction's line to flags and arguments, by the instruction's own form.

Four forms (moby/buildkit ``frontend/dockerfile/parser/line_parsers.go``): words, ``name=value`` pairs, one
string, or a JSON array with another form as its fallback.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Final, cast

from lading.build.dockerfile.expansion import expand, is_space, trim
from lading.build.dockerfile.substitution import WordError
from lading.build.errors import TextError
from lading.store.fastclass import dataclass
from lading.store.system.patterns import pattern

_BLANKS: Final = pattern(r"[\t\v\f\r ]+")
_ASCII_BLANKS: Final = " \t\n\v\f\r"
_HEREDOC: Final = pattern(r"([0-9]*)<<(-?)[ \t\n\f\r]*([^<]*)$")


@dataclass(frozen=True, slots=True)
class Heredoc:
    """``<<NAME`` in a line, and the text up to the line NAME."""

    name: str
    expand: bool
    chomp: bool
    content: str = ""

    @property
    def text(self) -> str:
        """The content, without leading tabs where ``<<-`` asks for that."""
        return re.sub(r"(?m)^\t+", "", self.content) if self.chomp else self.content


def read(word: str, rest: str, escape: str) -> tuple[tuple[str, ...], bool]:
    """The arguments of instruction `word` (lower case), and whether they were a JSON array."""
    if word in _FORMS:
        return _FORMS[word](rest)
    if word in ("env", "label"):
        return _pair_arguments(rest, word.upper(), escape), False
    if word == "arg":
        return tuple(_word_arguments(rest, escape)), False
    return ((rest,) if rest else ()), False


def split_command(line: str, escape: str) -> tuple[str, tuple[str, ...], str]:
    """The instruction's word, its ``--flags`` and the rest of the line."""
    parts = _BLANKS.split(trim(line), maxsplit=1)
    if len(parts) == 1:
        return parts[0], (), ""
    flags, rest = _flags(parts[1], escape)
    return parts[0], flags, trim(rest)


def _flags(line: str, escape: str) -> tuple[tuple[str, ...], str]:
    flags: list[str] = []
    at = 0
    while True:
        # Flags are told apart by ASCII blanks alone, as the reference does by reading bytes.
        while at < len(line) and line[at] in _ASCII_BLANKS:
            at += 1
        if not line.startswith("--", at):
            return tuple(flags), line[at:]
        word, at, quoted = _flag(line, at, escape)
        if word == "--":
            return tuple(flags), line[at:]
        if word or quoted:
            flags.append(word)


def _flag(line: str, at: int, escape: str) -> tuple[str, int, bool]:
    word: list[str] = []
    quote, quoted = "", False
    while at < len(line):
        character = line[at]
        if not quote and character in _ASCII_BLANKS:
            break
        at += 1
        if not quote and character in "'\"":
            quote, quoted = character, True
        elif character == quote:
            quote = ""
        elif character == escape:
            word.append(line[at : at + 1])
            at += 1
        else:
            word.append(character)
    return "".join(word), at, quoted


def _word_arguments(rest: str, escape: str) -> Iterator[str]:
    """Words at blanks outside quotes; quotes and escapes stay."""
    word: list[str] = []
    quote, at = "", 0
    while at < len(rest):
        character = rest[at]
        at += 1
        if not quote and is_space(character):
            if word:
                yield "".join(word)
            word = []
            continue
        if character == escape and quote != "'":
            if at == len(rest):
                break
            word.append(character + rest[at])
            at += 1
            continue
        if not quote and character in "'\"":
            quote = character
        elif character == quote:
            quote = ""
        word.append(character)
    if word:
        yield "".join(word)


def _pair_arguments(rest: str, word: str, escape: str) -> tuple[str, ...]:
    """Name, value and separator of every pair, one after the other; the separator of ``NAME value`` is empty."""
    words = list(_word_arguments(rest, escape))
    if not words:
        return ()
    if "=" not in words[0]:
        parts = _BLANKS.split(rest, maxsplit=1)
        if len(parts) < 2:
            raise TextError(f"{word} {words[0]}: must have a name and a value")
        return parts[0], parts[1], ""
    result: list[str] = []
    for one in words:
        name, equals, value = one.partition("=")
        if not equals:
            raise TextError(f"can't find = in {one!r}: it must be of the form name=value")
        result += (name, value, "=")
    return tuple(result)


def _split(rest: str) -> tuple[tuple[str, ...], bool]:
    return (tuple(_BLANKS.split(rest)) if rest else ()), False


def _list(rest: str) -> tuple[tuple[str, ...], bool]:
    found = _json(rest)
    return (found, True) if found is not None else _split(rest)


def _command(rest: str) -> tuple[tuple[str, ...], bool]:
    if not rest:
        return (), False
    found = _json(rest)
    return (found, True) if found is not None else ((rest,), False)


def _health(rest: str) -> tuple[tuple[str, ...], bool]:
    parts = re.split(r"[\t\n\v\f\r ]+", rest, maxsplit=1)
    if not parts[0]:
        return (), False
    args, is_json = _command(parts[1] if len(parts) > 1 else "")
    return (parts[0], *args), is_json


def _json(rest: str) -> tuple[str, ...] | None:
    rest = trim(rest, right=False)
    if not rest.startswith("["):
        return None
    try:
        value = cast("object", json.loads(rest, parse_constant=_refuse, parse_float=_number, parse_int=_number))
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, list):
        return None
    items = cast("list[object]", value)
    if not all(isinstance(item, str) for item in items):
        raise TextError("when using JSON array syntax, arrays must be comprised of strings only")
    return tuple(re.sub("[\ud800-\udfff]", "\ufffd", cast("str", item)) for item in items)


def _refuse(constant: str) -> object:
    raise ValueError(constant)


def _number(text: str) -> object:
    """A number, which is refused where it stands; one beyond a double's range makes the whole no JSON at all."""
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def heredocs(line: str) -> tuple[Heredoc, ...]:
    """The heredocs that `line` announces, contents to come. Raises `WordError` for a name that is none."""
    try:
        words = expand(line, {}, raw_quotes=True, raw_escapes=True, keep_unset=True).words
    except WordError:
        return ()
    return tuple(found for word in words if (found := _heredoc(word)))


def heredoc(word: str) -> Heredoc | None:
    """The heredoc that `word` announces, None where it is something else."""
    try:
        return _heredoc(word)
    except WordError:
        return None


def _heredoc(word: str) -> Heredoc | None:
    match = _HEREDOC.match(word)
    if not match or not match[3]:
        return None
    plain = expand(match[3], {}, keep_unset=True).words
    raw = expand(match[3], {}, keep_unset=True, raw_quotes=True).words
    if len(plain) != 1 or len(raw) != 1:
        return None
    return Heredoc(plain[0], expand=_quotes(plain[0]) == _quotes(raw[0]), chomp=bool(match[2]))


def _quotes(word: str) -> int:
    return word.count("'") + word.count('"')


_FORMS: Final[dict[str, Callable[[str], tuple[tuple[str, ...], bool]]]] = {
    **dict.fromkeys(("add", "copy", "volume"), _list),
    **dict.fromkeys(("cmd", "entrypoint", "run", "shell"), _command),
    **dict.fromkeys(("expose", "from"), _split),
    "healthcheck": _health,
}
