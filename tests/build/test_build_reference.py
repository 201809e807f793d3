"""The parser, the instruction reader and the expansion of words, held against BuildKit's own on texts made by chance.

LADING_FUZZ is how many seconds each lane takes, LADING_SEED its first seed; both have small defaults.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator

import pytest

from suites import dockerfile_texts
from suites.dockerfile_texts import VARIABLES
from suites.dockerfiles import seeds
from suites.front_end import (
    Reference,
    built,
    difference_in_dockerfile,
    difference_in_word,
    our_dockerfile,
    our_word,
)
from suites.machine import needs

SECONDS = float(os.environ.get("LADING_FUZZ", "5"))
SEED = int(os.environ.get("LADING_SEED", "0"))

pytestmark = [needs("go"), pytest.mark.timeout(int(SECONDS) + 1200)]


@pytest.fixture(scope="module")
def reference() -> Iterator[Reference]:
    program = built()
    if isinstance(program, str):
        pytest.skip(program)
    reference = Reference(program)
    yield reference
    reference.close()


def _lane(compare: Callable[[random.Random], str | None]) -> None:
    """Seed after seed until the time is over; the first differences are shown with theirs."""
    end, seed, found = time.monotonic() + SECONDS, SEED, list[str]()
    while time.monotonic() < end and len(found) < 10:
        difference = compare(random.Random(seed))
        if difference is not None:
            found.append(f"seed {seed}: {difference}")
        seed += 1
    print(f"{seed - SEED} inputs, {len(found)} differences")
    assert seed > SEED
    assert not found, "\n".join(found)


def _dockerfile(reference: Reference, text: bytes) -> str | None:
    difference = difference_in_dockerfile(text, reference.dockerfile(text), our_dockerfile(text))
    return difference and f"{text!r}: {difference}"


def test_the_files_of_the_reference(reference: Reference) -> None:
    assert not [found for text in seeds() if (found := _dockerfile(reference, text))]


def test_any_dockerfile(reference: Reference) -> None:
    _lane(lambda draw: _dockerfile(reference, dockerfile_texts.dockerfile(draw)))


def test_any_word(reference: Reference) -> None:
    def compare(draw: random.Random) -> str | None:
        word, escape = dockerfile_texts.word(draw), draw.choice("\\\\`")
        flags = {name: True for name in ("rawQuotes", "rawEscapes", "noQuotes", "keepUnset") if draw.random() < 0.2}
        theirs, ours = reference.word(word, VARIABLES, escape, **flags), our_word(word, VARIABLES, escape, **flags)
        difference = difference_in_word(theirs, ours)
        return difference and f"{word!r} {escape} {flags}: {difference}"

    _lane(compare)
