"""Quotes, escapes and variables against the reference's tables."""

from __future__ import annotations

import pytest

from lading.build.dockerfile.expansion import expand
from lading.build.dockerfile.substitution import WordError
from suites.machine import needs, vectors_path

ENVIRONMENT = {"PWD": "/home", "SHELL": "bash", "KOREAN": "한국어", "NULL": ""}


def _rows() -> list[tuple[int, str, str]]:
    root = vectors_path()
    rows: list[tuple[int, str, str]] = []
    for number, line in enumerate((root / "dockerfile" / "envVarTest").read_text().split("\n"), 1) if root else ():
        if line.strip() and line[0] in "AU":
            _, source, expected = line.split("|")
            rows.append((number, source.strip(), expected.strip()))
    return rows


@needs("vectors")
@pytest.mark.parametrize(("number", "source", "expected"), _rows())
def test_expands_as_the_reference(number: int, source: str, expected: str) -> None:
    if expected == "error":
        with pytest.raises(WordError):
            expand(source, ENVIRONMENT)
    else:
        assert expand(source, ENVIRONMENT).text == expected


@needs("vectors")
def test_splits_as_the_reference() -> None:
    root = vectors_path()
    assert root
    variables: dict[str, str] = {}
    done = 0
    for line in (root / "dockerfile" / "wordsTest").read_text().split("\n"):
        if not line or line.startswith("#"):
            continue
        if line.startswith("ENV "):
            name, _, value = line[4:].lstrip(" ").partition("=")
            variables[name] = value
            continue
        source, expected = line.split("|")
        done += 1
        if expected.strip() == "error":
            with pytest.raises(WordError):
                expand(source.strip(), variables)
        else:
            assert list(expand(source.strip(), variables).words) == expected.lstrip(" ").split(","), line
    assert done == 24


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("${x#*.}", "b.c"),
        ("${x##*.}", "c"),
        ("${x%.*}", "a.b"),
        ("${x%%.*}", "a"),
        ("${x/./-}", "a-b.c"),
        ("${x//./-}", "a-b-c"),
        ("${x//\\//-}", "a.b.c"),
        ("${unset-1}${x+2}", "12"),
    ],
)
def test_pattern_operators(word: str, value: str) -> None:
    assert expand(word, {"x": "a.b.c"}).text == value


def test_names_what_was_unset() -> None:
    assert expand("$a ${b:-c} $d", {"a": "1"}).unset == {"b", "d"}
    assert expand("$a ${b:-c}", {}, keep_unset=True).text == "$a ${b:-c}"


def test_what_is_nested_too_deep_is_refused() -> None:
    assert expand("${a:-" * 49 + "}" * 49, {}).text == ""
    for word in ("${a:-" * 10_000 + "}" * 10_000, '"${a:-' * 10_000, "${a#" * 10_000):
        with pytest.raises(WordError, match="more than 50 substitutions inside each other"):
            expand(word, {})


@pytest.mark.parametrize("word", ["${a#%s}", "${a##%s}", "${a%%%s}", "${a%%%%%s}", "${a//%s/x}"])
def test_many_stars_end_soon(word: str) -> None:
    assert expand(word % ("*a" * 30 + "b"), {"a": "a" * 300}).text == "a" * 300


def test_what_stands_between_stars_is_found() -> None:
    found = {"${a#*a*b}": "/ab/c", "${a##*a*b}": "/c", "${a%a*b*}": "ab/", "${a%%a*b*}": "", "${a/a*b/-}": "-/c"}
    assert {word: expand(word, {"a": "ab/ab/c"}).text for word in found} == found
