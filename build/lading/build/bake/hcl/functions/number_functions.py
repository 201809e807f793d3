"""Functions of numbers and truths (go-cty's standard library)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal
from typing import Final

from lading.build.bake.hcl.functions.value_adapters import HclFunction, of_bools, of_number, of_two
from lading.build.bake.hcl.hcl_operations import ARITHMETIC
from lading.build.bake.hcl.hcl_values import (
    HclValue,
    as_bool,
    as_number,
    as_text,
    as_whole,
    equal,
    number_of,
    parse_number,
)
from lading.build.errors import TextError

_MAX_RANGE: Final = 1024


def _of_two(sign: str) -> Callable[..., HclValue]:
    def function(one: HclValue, other: HclValue) -> HclValue:
        return ARITHMETIC[sign](as_number(one), as_number(other))

    return function


def _log(number: HclValue, base: HclValue) -> HclValue:
    try:
        return parse_number(repr(math.log(float(as_number(number))) / math.log(float(as_number(base)))))
    except (ValueError, ZeroDivisionError):
        raise TextError("there is no such logarithm") from None


def _pow(number: HclValue, exponent: HclValue) -> HclValue:
    try:
        return parse_number(repr(math.pow(float(as_number(number)), float(as_number(exponent)))))
    except (ValueError, OverflowError):
        raise TextError("a number that is too large, or none") from None


def _signum(number: HclValue) -> HclValue:
    found = as_whole(number)
    return number_of((found > 0) - (found < 0))


def _parse_int(text: HclValue, base: HclValue) -> HclValue:
    radix = as_whole(base)
    try:
        return number_of(int(as_text(text), radix))
    except ValueError:
        raise TextError(f"cannot parse {as_text(text)!r} as a number of base {radix}") from None


def _not(one: HclValue) -> HclValue:
    return not as_bool(one)


def _range(*given: HclValue) -> HclValue:
    """Up to a limit, from a start, by a step."""
    numbers = [as_number(number) for number in given]
    if not 1 <= len(numbers) <= 3:
        raise TextError("expected one, two or three numbers")
    start, limit = (Decimal(0), numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])
    down = limit < start
    step = numbers[2] if len(numbers) > 2 else Decimal(-1 if down else 1)
    if step.is_zero() or (step < 0) != down:
        if start == limit:
            return ()
        raise TextError("the step does not lead from the start to the limit")
    found: list[HclValue] = []
    while (start > limit) if down else (start < limit):
        found.append(start)
        start += step
        if len(found) > _MAX_RANGE:
            raise TextError(f"more than {_MAX_RANGE} numbers")
    return tuple(found)


def _extreme(choose: Callable[[list[Decimal]], Decimal]) -> Callable[..., HclValue]:
    def function(*given: HclValue) -> HclValue:
        if not given:
            raise TextError("expected at least one number")
        return choose([as_number(number) for number in given])

    return function


NUMBER_FUNCTIONS: Final[Mapping[str, HclFunction]] = {
    "absolute": of_number(abs),
    "add": _of_two("+"),
    "subtract": _of_two("-"),
    "multiply": _of_two("*"),
    "divide": _of_two("/"),
    "modulo": _of_two("%"),
    "lessthan": _of_two("<"),
    "lessthanorequalto": _of_two("<="),
    "greaterthan": _of_two(">"),
    "greaterthanorequalto": _of_two(">="),
    "negate": of_number(Decimal.copy_negate),
    "ceil": of_number(lambda number: number.to_integral_value(ROUND_CEILING)),
    "floor": of_number(lambda number: number.to_integral_value(ROUND_FLOOR)),
    "int": of_number(lambda number: number.to_integral_value(ROUND_DOWN) or Decimal(0)),
    "log": _log,
    "pow": _pow,
    "signum": _signum,
    "parseint": _parse_int,
    "range": _range,
    "max": _extreme(max),
    "min": _extreme(min),
    "and": of_bools(lambda one, other: one and other),
    "or": of_bools(lambda one, other: one or other),
    "not": _not,
    "equal": equal,
    "notequal": of_two(lambda one, other: not equal(one, other)),
}
