"""Operators, conditions and calls."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, DecimalException
from typing import Final

from lading.build.bake.hcl.hcl_nodes import HclNode, HclScope
from lading.build.bake.hcl.hcl_source import HclError, HclPlace, at
from lading.build.bake.hcl.hcl_types import unified
from lading.build.bake.hcl.hcl_values import NUMBERS, HclValue, as_bool, as_number, equal, kind
from lading.build.errors import TextError
from lading.store.fastclass import dataclass


def divide(one: Decimal, other: Decimal) -> Decimal:
    """Raises `TextError` for a division by zero."""
    if other.is_zero():
        raise TextError("division by zero")
    return NUMBERS.divide(one, other)


def modulo(one: Decimal, other: Decimal) -> Decimal:
    """What is left, with the sign of the first. Raises `TextError` for a division by zero."""
    if other.is_zero():
        raise TextError("division by zero")
    return one - other * (NUMBERS.divide_int(one, other))


ARITHMETIC: Final[dict[str, Callable[[Decimal, Decimal], HclValue]]] = {
    "+": NUMBERS.add,
    "-": NUMBERS.subtract,
    "*": NUMBERS.multiply,
    "/": divide,
    "%": modulo,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}


@dataclass(frozen=True, slots=True)
class Unary:
    """``-a``, ``!a``."""

    spot: HclPlace
    sign: str
    of: HclNode

    def value(self, scope: HclScope) -> HclValue:
        """As `HclNode.value`."""
        found = self.of.value(scope)
        with at(self.spot, f"{self.sign}: "):
            return not as_bool(found) if self.sign == "!" else as_number(found).copy_negate()


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands and what stands between them."""

    spot: HclPlace
    left: HclNode
    sign: str
    right: HclNode

    def value(self, scope: HclScope) -> HclValue:
        """As `HclNode.value`."""
        if self.sign in ("&&", "||"):
            return self._logical(scope)
        left = self.left.value(scope)
        with at(self.spot, f"{self.sign}: "):
            right = self.right.value(scope)
            if self.sign in ("==", "!="):
                return equal(left, right) == (self.sign == "==")
            try:
                return ARITHMETIC[self.sign](as_number(left), as_number(right))
            except DecimalException:
                raise TextError("a number that is too large, or none") from None

    def _logical(self, scope: HclScope) -> HclValue:
        """One side that decides is enough, also where the other has no value."""
        enough = self.sign == "||"
        try:
            first = self._truth(self.left, scope)
        except HclError:
            if self._truth(self.right, scope) == enough:
                return enough
            raise
        return first if first == enough else self._truth(self.right, scope)

    def _truth(self, node: HclNode, scope: HclScope) -> bool:
        with at(self.spot, f"{self.sign}: "):
            return as_bool(node.value(scope))


@dataclass(frozen=True, slots=True)
class Conditional:
    """``a ? b : c``; of the two results the other is not looked at but for its type."""

    spot: HclPlace
    condition: HclNode
    yes: HclNode
    no: HclNode

    def value(self, scope: HclScope) -> HclValue:
        """As `HclNode.value`."""
        with at(self.condition.spot, "condition: "):
            chosen, other = (self.yes, self.no) if as_bool(self.condition.value(scope)) else (self.no, self.yes)
        found = chosen.value(scope)
        try:
            beside = other.value(scope)
        except HclError:
            return found
        kinds = {kind(found), kind(beside)} - {"null"}
        if len(kinds) > 1 and not kinds <= {"string", "number", "bool"} and not kinds <= {"tuple", "set"}:
            raise HclError(self.spot, f"the results of a condition are of two types, {' and '.join(sorted(kinds))}")
        return unified([found, beside])[0]


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function with its arguments, the last of which may be spread: ``f(list...)``."""

    spot: HclPlace
    name: str
    arguments: tuple[HclNode, ...]
    spread: bool = False

    def value(self, scope: HclScope) -> HclValue:
        """As `HclNode.value`."""
        return scope.call(self.spot, self.name, self.arguments, spread=self.spread)
