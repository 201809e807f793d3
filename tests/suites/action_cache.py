"""The contract of `lading.build.graph.action.ActionCache`: subclass, and say how one is made. And one in memory."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lading.build.graph.action import ActionCache, ActionLayer, ActionResult
from lading.store.archives.layers import write_layer
from lading.store.archives.trees import scan
from lading.store.content.blobs import Blobs
from lading.verify.documents.links import Link
from lading.verify.documents.signing import sign_statement
from lading.verify.keys.keys import PrivateKey


@dataclass
class MemoryCache:
    """Results of layers that are in `blobs`."""

    blobs: Blobs
    kept: dict[str, ActionResult] = field(default_factory=dict)

    def find(self, key: str) -> ActionResult | None:
        result = self.kept.get(key)
        gone = result and result.layer and self.blobs.size(result.layer.descriptor.digest) is None
        return None if gone else result

    def keep(self, key: str, result: ActionResult) -> None:
        self.kept[key] = result


KEY = PrivateKey.generate()
"""What signs the links of these results."""


def result_of(blobs: Blobs, content: bytes, snapshot: str | None = None) -> ActionResult:
    """That of an action which made a file of this content, with its signed link."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "file").write_bytes(content)
        made = write_layer(scan(Path(folder)), blobs)
    statement = Link("RUN", made.tree, (), ("make",)).statement()
    layer = ActionLayer(made.tree, made.descriptor, made.diff_id, snapshot)
    return ActionResult(layer, statement.raw(), sign_statement(statement, KEY).raw())


class ActionCacheContract:
    is_local = True
    """Whether it knows what is unpacked on this machine, and has no layers of its own."""

    @pytest.fixture
    def blobs(self) -> Blobs:
        raise NotImplementedError

    @pytest.fixture
    def cache(self, blobs: Blobs) -> ActionCache:
        raise NotImplementedError

    def test_nothing_is_found_before_it_is_kept(self, cache: ActionCache, blobs: Blobs) -> None:
        cache.keep("other", result_of(blobs, b"x"))
        assert cache.find("key") is None

    @pytest.mark.parametrize("snapshot", [None, "sha256:unpacked"])
    def test_what_was_kept_is_found(self, cache: ActionCache, blobs: Blobs, snapshot: str | None) -> None:
        result = result_of(blobs, b"layer", snapshot)
        cache.keep("key", result)
        assert cache.find("key") == (result if self.is_local else result.unpacked_as(None))

    def test_that_a_step_changed_nothing_is_a_result(self, cache: ActionCache) -> None:
        cache.keep("key", ActionResult(None))
        assert cache.find("key") == ActionResult(None)

    def test_what_is_kept_anew_takes_the_place_of_what_was_there(self, cache: ActionCache, blobs: Blobs) -> None:
        first, second = result_of(blobs, b"first"), result_of(blobs, b"second")
        for result in (first, second):
            cache.keep("key", result)
        assert cache.find("key") == second

    def test_a_result_whose_layer_is_gone_is_none(self, cache: ActionCache, blobs: Blobs) -> None:
        result = result_of(blobs, b"layer")
        cache.keep("key", result)
        assert result.layer
        blobs.delete(result.layer.descriptor.digest)
        assert cache.find("key") == (None if self.is_local else result)
        again = result_of(blobs, b"layer")
        cache.keep("key", again)
        assert cache.find("key") == again

    def test_many_threads(self, cache: ActionCache, blobs: Blobs) -> None:
        results = [result_of(blobs, b"%d" % number) for number in range(8)]

        def keep(number: int) -> ActionResult | None:
            cache.keep("shared", results[number])
            cache.keep(f"own-{number}", results[number])
            assert cache.find("shared") in results
            return cache.find(f"own-{number}")

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(keep, range(8))) == results
