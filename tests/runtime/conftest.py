from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from suites.executor_images import Harbour


@pytest.fixture
def harbour(tmp_path: Path) -> Generator[Harbour, None, None]:
    (tmp_path / "run").mkdir()
    found = Harbour(tmp_path / "root", tmp_path / "run")
    yield found
    for record in found.runtime.list(every=True):
        found.runtime.remove(record.id, force=True, volumes=True)
    found.runtime.recover()
