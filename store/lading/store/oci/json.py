"""The one parser for JSON from outside, and the one writer for JSON of ours.

Parsing refuses what two readers could understand differently: duplicate names, a byte order mark, invalid
UTF-8, lone surrogates, NaN and infinities, numbers beyond 64 bits, deep nesting, trailing bytes; and `Fields`
refuses members that some readers find by names of another case.
Writing is RFC 8785 (JCS), so that equal values have equal digests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar, cast

from lading.store.errors import DocumentError
from lading.store.system.patterns import pattern

MAX_SIZE: Final = 4 * 1024 * 1024
"""Bytes; what registries accept for a manifest."""
MAX_DEPTH: Final = 64

_MAX_INTEGER: Final = 2**63
_MAX_SAFE: Final = 2**53
_PLAIN: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":"))
_STRINGS: Final = pattern(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_OTHERS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_SQUARE: Final = bytes.maketrans(b"{}", b"[]")
_FREE: Final = 8192
_CONTAINER: Final = 24
"""Bytes for each object and array beyond `_FREE`; one costs 64 bytes and more."""
_VALUE: Final = 8
"""Bytes for each value beyond `_FREE`."""
_SURROGATE: Final = pattern(r"[\ud800-\udfff]")

_T = TypeVar("_T")


def parse(data: bytes, source: str, *, limit: int = MAX_SIZE, repeated: bool = False) -> object:
    """The JSON value in `data`; `source` names the document in errors.

    Where names may be `repeated`, the last counts: for what others wrote for readers that take it so. Raises
    `DocumentError` for anything that is not exactly one bounded, unambiguous JSON value.
    """
    if len(data) > limit:
        raise DocumentError(f"{source}: {len(data)} bytes, more than the {limit} allowed")
    _check_shape(data, source)
    try:
        text = data.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=dict if repeated else _unique,
            parse_constant=_refuse,
            parse_int=_integer,
            parse_float=_float,
        )
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"{source}: not valid JSON: {error}") from None
    if "\\u" in text and _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        raise DocumentError(f"{source}: not valid JSON: a lone surrogate")
    return cast(object, value)


def is_text(text: str) -> bool:
    """Whether JSON has a form for it: not for the bytes of a name or an argument that are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def canonical(value: object) -> bytes:
    """`value` as RFC 8785 canonical JSON. Raises `DocumentError` for what JSON cannot hold."""
    if _plain(value):
        return _PLAIN.encode(value).encode()
    import rfc8785  # noqa: PLC0415 - only for what is not plain

    try:
        return rfc8785.dumps(cast("Any", value))
    except (rfc8785.CanonicalizationError, UnicodeError) as error:
        raise DocumentError(f"not representable as canonical JSON: {error}") from None


def _plain(value: object) -> bool:
    """Whether RFC 8785 writes it as `json` does: text and names in ASCII, no fractions, integers below 2**53.

    Names in ASCII have one order in UTF-16 and in Python. Of text only DEL could differ, and does not.
    """
    kind = type(value)
    if kind is str:
        return cast("str", value).isascii()
    if kind is int:
        return -_MAX_SAFE < cast("int", value) < _MAX_SAFE
    if kind is dict:
        members = cast("dict[object, object]", value).items()
        return all(type(name) is str and name.isascii() and _plain(item) for name, item in members)
    if kind is list or kind is tuple:
        return all(map(_plain, cast("list[object]", value)))
    return value is None or kind is bool


def _check_shape(data: bytes, source: str) -> None:
    """Refuses what would cost many times its size to build, by a count that costs little.

    Only passes over the whole in C: what is within strings is taken out, then all but the brackets, then pair by
    pair the innermost.
    """
    values = _FREE + len(data) // _VALUE
    if _count(data, b"{", b"[") <= MAX_DEPTH and _count(data, b",", b'"', b"\\") <= values:
        return
    # Escaped quotes may be counted out here, but never the quotes around them.
    _hold(_count(data, b'"') - _count(data, b'\\"'), 4 * values, "quotes", data, source)
    _hold(_count(data, b"\\") - _count(data, b"\\u"), 8 * _FREE + len(data) // _VALUE, "escapes", data, source)
    bare = _STRINGS.sub(b"", data)
    _hold(_count(bare, b"{", b"["), _FREE + len(data) // _CONTAINER, "objects and arrays", data, source)
    _hold(_count(bare, b","), values, "values", data, source)
    brackets = bare.translate(_SQUARE, _OTHERS)
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise DocumentError(f"{source}: nested more than {MAX_DEPTH} deep, or not valid JSON")


def _hold(count: int, most: int, name: str, data: bytes, source: str) -> None:
    if count > most:
        raise DocumentError(f"{source}: more than {most} {name} in {len(data)} bytes")


def _count(data: bytes, *marks: bytes) -> int:
    return sum(data.count(mark) for mark in marks)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"duplicate name {name!r}")
            seen.add(name)
    return result


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


def _integer(text: str) -> int:
    if len(text) > 20 or not -_MAX_INTEGER <= (value := int(text)) < _MAX_INTEGER:
        raise ValueError("an integer beyond 64 bits")
    return value


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number beyond double precision")
    return value


class Fields:
    """The members of one JSON object, taken by name and type; whatever is taken is off the table.

    Every error names the document and the member. A member that is JSON ``null`` counts as absent, as
    protocol buffers' JSON has it. `close` refuses members that nobody took; `rest` returns them.
    A member that is also, or only, there in another case is refused: readers in Go take either.
    """

    __slots__ = ("_left", "_spellings", "source")

    def __init__(self, value: object, source: str) -> None:
        if not isinstance(value, dict):
            raise DocumentError(f"{source}: expected an object, found {kind(value)}")
        self._left = dict(cast("dict[str, object]", value))
        self._spellings: dict[str, str] = {}
        for name in self._left:
            folded = name.casefold()
            self._spellings[folded] = "" if folded in self._spellings else name
        self.source = source

    def __contains__(self, name: str) -> bool:
        self._check_case(name)
        return self._left.get(name) is not None

    def any(self, name: str) -> object:
        """Member `name` whatever it is, None where absent."""
        self._check_case(name)
        return self._left.pop(name, None)

    def _check_case(self, name: str) -> None:
        if self._spellings.get(name.casefold(), name) != name:
            raise DocumentError(f"{self.source}: {name}: also, or only, there with other upper and lower case")

    def text(self, name: str) -> str:
        """A required string."""
        return _expect(self._take(name), str, self.source, name)

    def optional_text(self, name: str) -> str | None:
        """A string, or None where absent."""
        value = self.any(name)
        return None if value is None else _expect(value, str, self.source, name)

    def integer(self, name: str, *, default: int | None = None) -> int:
        """An integer (never a boolean, never a float); required unless a default is given."""
        value = self._take(name) if default is None else self.any(name)
        if value is None and default is not None:
            return default
        if isinstance(value, bool):
            raise DocumentError(f"{self.source}: {name}: expected an integer, found a boolean")
        return _expect(value, int, self.source, name)

    def boolean(self, name: str, *, default: bool = False) -> bool:
        """A boolean, `default` where absent."""
        value = self.any(name)
        return default if value is None else _expect(value, bool, self.source, name)

    def fields(self, name: str) -> Fields:
        """A required object, to be taken apart further."""
        return Fields(self._take(name), f"{self.source}: {name}")

    def optional_fields(self, name: str) -> Fields | None:
        """An object to be taken apart further, or None where absent."""
        if name in self:
            return self.fields(name)
        self._left.pop(name, None)
        return None

    def mapping(self, name: str) -> dict[str, object]:
        """An object as it is, empty where absent."""
        value = self.any(name)
        if value is None:
            return {}
        return cast("dict[str, object]", _expect(value, dict, self.source, name))

    def items(self, name: str) -> list[object]:
        """An array, empty where absent."""
        value = self.any(name)
        return [] if value is None else cast("list[object]", _expect(value, list, self.source, name))

    def each(self, name: str, read: Callable[[object, str], _T]) -> tuple[_T, ...]:
        """The array `name`, each element read by `read(value, what)`."""
        return tuple(read(item, f"{self.source}: {name}[{at}]") for at, item in enumerate(self.items(name)))

    def strings(self, name: str) -> tuple[str, ...]:
        """An array of strings, empty where absent."""
        return tuple(_expect(item, str, self.source, name) for item in self.items(name))

    def string_map(self, name: str) -> Mapping[str, str]:
        """An object whose values are all strings, empty where absent."""
        return {key: _expect(item, str, self.source, f"{name}.{key}") for key, item in self.mapping(name).items()}

    def rest(self) -> dict[str, object]:
        """The members that nobody took."""
        left, self._left = self._left, {}
        return left

    def close(self) -> None:
        """Refuses members that nobody took."""
        if self._left:
            raise DocumentError(f"{self.source}: unknown member {next(iter(self._left))!r}")

    def names(self) -> Iterator[str]:
        """The names of the members that nobody took yet."""
        return iter(tuple(self._left))

    def _take(self, name: str) -> object:
        value = self.any(name)
        if value is None:
            raise DocumentError(f"{self.source}: {name}: missing")
        return value


def kind(value: object) -> str:
    """What a JSON value is, in words for an error."""
    names: dict[type, str] = {
        dict: "an object",
        list: "an array",
        str: "a string",
        bool: "a boolean",
        int: "an integer",
    }
    return "null" if value is None else names.get(type(value), "a number")


def _expect(value: object, wanted: type[_T], source: str, name: str) -> _T:
    if not isinstance(value, wanted):
        example = kind(wanted())
        raise DocumentError(f"{source}: {name}: expected {example}, found {kind(value)}")
    return value
