"""`format` and its kin (go-cty's function/stdlib/format.go)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from lading.build.bake.hcl.functions.encoding_functions import to_json
from lading.build.bake.hcl.hcl_values import (
    HclValue,
    ValueSet,
    as_bool,
    as_items,
    as_number,
    as_text,
    written,
)
from lading.build.errors import TextError

_VERB: Final = re.compile(r"%([-+# 0]*)(\d+)?(?:\.(\d+))?(?:\[(\d+)\])?([a-zA-Z%])|%")
_MAX_WIDTH: Final = 1024
_BASES: Final = {"b": "b", "o": "o", "x": "x", "X": "X", "d": "d"}


def _plain(value: HclValue) -> str:
    """As %v has it."""
    if value is None:
        return "null"
    if isinstance(value, Decimal):
        return _general(value)
    return as_text(value) if isinstance(value, str | bool) else to_json(value)


def _whole(value: HclValue) -> int:
    """However large, as far as it can be written. Raises `TextError`."""
    number = as_number(value)
    if number != number.to_integral_value():
        raise TextError("a whole number is required")
    return int(written(number))


def _general(value: Decimal) -> str:
    """With all its digits, and with an exponent below 0.0001 and from a million on, as Go has it."""
    power = value.adjusted()
    if value.is_zero() or -4 <= power < 6:
        return written(value)
    sign, given, _ = value.as_tuple()
    digits = "".join(map(str, given)).rstrip("0")
    rest = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{'-' * sign}{digits[0]}{rest}e{power:+03d}"


def _number(verb: str, value: Decimal, precision: str | None) -> str:
    digits = 6 if precision is None else int(precision)
    if verb in "fF":
        return format(value, f".{digits}f")
    if precision is None and verb in "gG":
        return _general(value) if verb == "g" else _general(value).upper()
    return format(float(value), f".{digits}{verb}")


def _one(found: re.Match[str], value: HclValue) -> str:
    flags, width, precision, verb = found[1], int(found[2] or 0), found[3], found[5]
    if width > _MAX_WIDTH or int(precision or 0) > _MAX_WIDTH:
        raise TextError(f"{found[0]}: wider than {_MAX_WIDTH}")
    if verb == "v":
        text = to_json(value) if "#" in flags else _plain(value)
    elif verb == "t":
        text = as_text(as_bool(value))
    elif verb in _BASES:
        text = _signed(flags, as_number(value) >= 0, format(_whole(value), _BASES[verb]))
    elif verb in "eEfFgG":
        text = _signed(flags, as_number(value) >= 0, _number(verb, as_number(value), precision))
    elif verb in "sq":
        text = as_text(value)
        text = text if precision is None else text[: int(precision)]
        text = to_json(text) if verb == "q" else text
    else:
        raise TextError(f"{found[0]} is no verb")
    return _padded(text, width, flags, number=verb not in "vtsq")


def _signed(flags: str, positive: bool, text: str) -> str:
    return ("+" if "+" in flags else " " if " " in flags else "") + text if positive else text


def _padded(text: str, width: int, flags: str, *, number: bool) -> str:
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and number:
        sign = text[:1] if text[:1] in "+- " else ""
        return sign + text[len(sign) :].rjust(width - len(sign), "0")
    return text.rjust(width, "0" if "0" in flags else " ")


def _format(form: HclValue, *given: HclValue) -> HclValue:
    used = 0

    def replaced(found: re.Match[str]) -> str:
        nonlocal used
        if found[0] == "%%":
            return "%"
        if found[0] == "%":
            raise TextError("a % without its verb")
        at = int(found[4]) if found[4] else used + 1
        if not 1 <= at <= len(given):
            raise TextError(f"{found[0]} wants an argument {at}, and there are {len(given)}")
        used = at
        return _one(found, given[at - 1])

    text = _VERB.sub(replaced, as_text(form))
    if used < len(given) and "[" not in as_text(form):
        raise TextError(f"{len(given)} arguments, and the format uses {used}")
    return text


def _format_list(form: HclValue, *given: HclValue) -> HclValue:
    lists = [as_items(value) if isinstance(value, tuple | ValueSet) else None for value in given]
    lengths = {len(items) for items in lists if items is not None}
    if len(lengths) > 1:
        raise TextError("lists of several lengths")
    if not lengths:
        return (_format(form, *given),)
    turns = range(lengths.pop())
    return tuple(
        _format(form, *(value if items is None else items[turn] for value, items in zip(given, lists, strict=True)))
        for turn in turns
    )


FORMAT_FUNCTIONS: Final[Mapping[str, Callable[..., HclValue]]] = {"format": _format, "formatlist": _format_list}
