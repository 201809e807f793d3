"""What most tests of builds begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from suites.building import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """One that signs nothing, its store and an empty folder `context` below `tmp_path`."""
    bench = Bench(tmp_path / "store")
    (tmp_path / "context").mkdir()
    yield bench
    bench.close()
