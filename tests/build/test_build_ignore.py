"""Patterns against moby/patternmatcher's tables."""

from __future__ import annotations

import json
import random
import re
import warnings
from typing import Any

import pytest

from lading.build.dockerfile import glob, ignore
from lading.build.dockerfile.ignore import Ignore
from suites.machine import needs, vectors_path


def _table(name: str) -> list[Any]:
    root = vectors_path()
    return json.loads((root / "dockerfile" / "dockerignore.json").read_text())[name] if root else []


@needs("vectors")
@pytest.mark.parametrize(("pattern", "path", "expected"), _table("single"))
def test_single(pattern: str, path: str, expected: bool) -> None:
    assert Ignore([pattern]).matches(path) is expected


@needs("vectors")
@pytest.mark.parametrize(("patterns", "path", "expected"), _table("multi"))
def test_several(patterns: list[str], path: str, expected: bool) -> None:
    assert Ignore(patterns).matches(path) is expected


@needs("vectors")
@pytest.mark.parametrize(("pattern", "name", "expected", "error"), _table("match"))
def test_match(pattern: str, name: str, expected: bool, error: str) -> None:
    if error != "nil":
        with pytest.raises(glob.PatternError):
            Ignore([pattern]).matches(name)
    else:
        assert Ignore([pattern]).matches(name) is expected


def test_copy_wildcards_stop_at_a_slash() -> None:
    assert glob.match("a*", "abc")
    assert not glob.match("a*", "ab/c")
    assert glob.match("*/x?[a-c]", "d/x1b")
    assert not glob.match("[^a]", "/")
    assert glob.match("**a", "xa")


def test_reads_a_file() -> None:
    text = "\ufeff# comment\n  a/../b/ \n\n!/c \n #d\n/\n.\r\n"
    assert ignore.read(text) == ["b", "!c", "#d", "/", "."]


@pytest.mark.parametrize("pattern", ["[[]x", "a/[[a]", "[a&&b]*", "[a||b]*", "x[~~]"])
def test_no_pattern_makes_python_speak(pattern: str) -> None:
    """What a class holds is characters: none of it means more, and nothing is said on standard error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Ignore([pattern]).matches("y") is False
    assert Ignore(["[[]x"]).matches("[x")


def test_many_stars_end_soon() -> None:
    assert not glob.match("*a" * 30 + "b", "a" * 200)
    assert not ignore.Ignore(["*a" * 30 + "b"]).matches("a" * 200)
    assert ignore.Ignore(["*a" * 30 + "*/**"]).matches("a" * 200 + "/b")


def test_what_stands_between_stars_is_taken_where_it_fits() -> None:
    draw = random.Random(1)
    for _ in range(2000):
        pattern = "".join(draw.choice("**?ab/") for _ in range(draw.randint(1, 8)))
        name = "".join(draw.choice("aab/") for _ in range(draw.randint(1, 8)))
        plain = re.sub(r"\*+", "[^/]*", pattern).replace("?", "[^/]")
        assert glob.match(pattern, name) == bool(re.fullmatch(plain, name)), (pattern, name)
