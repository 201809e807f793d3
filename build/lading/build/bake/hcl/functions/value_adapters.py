"""Functions of Python's kinds as functions of HCL's values: what converts converts, and what does not is an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TypeAlias

from lading.build.bake.hcl.hcl_values import HclValue, as_bool, as_items, as_members, as_number, as_text

HclFunction: TypeAlias = Callable[..., HclValue]


def of_text(function: Callable[[str], HclValue]) -> HclFunction:
    """A function of one text."""

    def called(text: HclValue) -> HclValue:
        return function(as_text(text))

    return called


def of_texts(function: Callable[[str, str], HclValue]) -> HclFunction:
    """A function of two texts."""

    def called(one: HclValue, other: HclValue) -> HclValue:
        return function(as_text(one), as_text(other))

    return called


def of_number(function: Callable[[Decimal], HclValue]) -> HclFunction:
    """A function of one number."""

    def called(number: HclValue) -> HclValue:
        return function(as_number(number))

    return called


def of_bools(function: Callable[[bool, bool], HclValue]) -> HclFunction:
    """A function of two truths."""

    def called(one: HclValue, other: HclValue) -> HclValue:
        return function(as_bool(one), as_bool(other))

    return called


def of_items(function: Callable[[tuple[HclValue, ...]], HclValue]) -> HclFunction:
    """A function of one list."""

    def called(items: HclValue) -> HclValue:
        return function(as_items(items))

    return called


def of_members(function: Callable[[Mapping[str, HclValue]], HclValue]) -> HclFunction:
    """A function of one object."""

    def called(members: HclValue) -> HclValue:
        return function(as_members(members))

    return called


def of_two(function: Callable[[HclValue, HclValue], HclValue]) -> HclFunction:
    """A function of two values."""
    return function


def of_none(function: Callable[[], HclValue]) -> HclFunction:
    """A function of nothing."""
    return function
