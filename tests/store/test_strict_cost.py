"""What JSON costs before it is refused: built values are counted, not bytes or seconds."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from lading.store.errors import DocumentError
from lading.store.oci.json import MAX_DEPTH, MAX_SIZE, parse

BOMBS = {
    "nested arrays": "[" + ",".join(["[[[[0]]]]"] * 380_000) + "]",
    "objects": "[" + ",".join(["{}"] * 1_300_000) + "]",
    "numbers": "[" + ",".join(["1"] * 2_000_000) + "]",
    "strings": "[" + ",".join(['""'] * 1_300_000) + "]",
    "members": "{" + ",".join(f'"{number}":0' for number in range(380_000)) + "}",
    "an open end": "[" * 4_000_000,
    "escapes": '["' + '\\"' * 2_000_000 + '"]',
    "quotes": '"' * 4_000_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_a_small_multiple_of_its_size(name: str) -> None:
    data = BOMBS[name].encode()
    assert len(data) <= MAX_SIZE
    tracemalloc.start()
    try:
        parse(data, "it")
    except DocumentError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 32 * len(data)


@pytest.mark.parametrize("name", ["nested arrays", "objects", "numbers", "strings", "an open end", "escapes", "quotes"])
def test_a_bomb_is_refused_for_what_it_is(name: str) -> None:
    with pytest.raises(DocumentError, match=r"more than [0-9]+ [a-z ]+ in [0-9]+ bytes"):
        parse(BOMBS[name].encode(), "it")


@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_the_depth_is_counted_exactly(left: str, right: str) -> None:
    times = MAX_DEPTH // len(left.replace('"a":', ""))
    beside = ",".join(["[]"] * 100)  # so that they are counted at all
    assert parse(f"[{left * (times - 1)}0{right * (times - 1)},{beside}]".encode(), "it") is not None
    with pytest.raises(DocumentError, match="deep"):
        parse(f"[{left * times}0{right * times},{beside}]".encode(), "it")


def test_what_is_large_and_plain_is_taken() -> None:
    """An index of as many images as fit, and a document that holds another as text."""
    item = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:" + "0" * 64, "size": 1234}
    many = [{**item, "platform": {"os": "linux", "architecture": "amd64"}}] * 20_000
    index = json.dumps({"schemaVersion": 2, "manifests": many}, separators=(",", ":")).encode()
    assert len(index) <= MAX_SIZE
    assert parse(index, "it") == json.loads(index)
    inside = json.dumps({"text": json.dumps(many[:5000])}).encode()
    assert parse(inside, "it") == json.loads(inside)
    prose = json.dumps(["Schöne Grüße, 你好 " * 40_000]).encode()
    assert parse(prose, "it") == json.loads(prose)
