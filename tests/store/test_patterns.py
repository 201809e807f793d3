"""Patterns that wait for their first use are as good as those compiled at once."""

from __future__ import annotations

import pkgutil
import re
from importlib import import_module

import pytest

import lading
from lading.store.system import patterns
from lading.store.system.patterns import pattern


def test_it_is_what_re_compiles() -> None:
    late = pattern(r"(a+)b", re.IGNORECASE)
    for _ in range(2):
        found = late.fullmatch("aAb")
        assert found and found[1] == "aA" and late.match("x") is None
        assert late.sub("-", "xaby") == "x-y" and late.pattern == r"(a+)b" and late.flags & re.IGNORECASE
    assert pattern(rb"[0-9]+").findall(b"1 22") == [b"1", b"22"]


def test_it_waits() -> None:
    wrong = pattern("(")
    with pytest.raises(re.error):
        wrong.match("x")


def test_every_one_in_the_house_compiles() -> None:
    found = 0
    for module in pkgutil.walk_packages(lading.__path__, "lading."):
        for value in vars(import_module(module.name)).values():
            if isinstance(value, patterns._Later):
                assert value.pattern
                found += 1
    assert found > 40
