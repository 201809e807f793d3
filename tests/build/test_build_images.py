"""Whole builds, from a folder to an image in a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.verify.keys import PrivateKey
from suites.building import Bench, Key, write
from suites.machine import needs

pytestmark = needs("root", "overlay")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "store", Key(PrivateKey.generate()))
    yield bench
    bench.close()


def test_a_file_on_nothing(bench: Bench, tmp_path: Path) -> None:
    context = write(tmp_path / "context", {"Dockerfile": "FROM scratch\nCOPY hello /greeting/\n", "hello": "hi\n"})
    built = bench.build(context, names=("localhost/app:latest",))
    files = bench.files(built.descriptor)
    assert files["greeting"] == ("0o40755", 0, 0, None)
    assert files["greeting/hello"][3] == b"hi\n"
    found = bench.store.reference("localhost/app:latest")
    assert found
    assert found.descriptor.digest == built.descriptor.digest
    assert len(bench.store.referrers(built.descriptor.digest)) == 3
    again = bench.build(context, names=("localhost/app:latest",))
    assert again.reused
    assert again.descriptor == built.descriptor
    assert again.attestations == built.attestations
