"""What is drawn at a terminal, as the screen shows it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from suites.commands import Lading, context
from suites.machine import needs
from suites.registry_server import running_server
from suites.screen import lading_at


@pytest.fixture
def lading(tmp_path: Path) -> Lading:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    return lading


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    with running_server(tmp_path / "registry") as address:
        yield address


@pytest.mark.parametrize("columns", [80, 200])
def test_an_image_goes_away_and_comes_back_at_a_terminal(
    lading: Lading, registry: str, tmp_path: Path, columns: int
) -> None:
    folder = context(tmp_path / "c", "FROM scratch\nCOPY big /\n")
    (folder / "big").write_bytes(os.urandom(3 << 20))
    name = f"{registry}/app:1"
    digest = lading.ok("build", "-q", "-t", name, folder)
    with lading_at(lading, "push", name, columns=columns) as shown:
        assert shown.end() == 0
        assert shown.lines[-1] == digest
    lading.ok("rmi", name)
    with lading_at(lading, "pull", name, columns=columns) as shown:
        assert shown.end() == 0
        assert shown.lines[-1] == digest


@needs("overlay")
def test_unpacking_at_a_terminal(lading: Lading, tmp_path: Path) -> None:
    lading.ok("build", "-t", "localhost/app", context(tmp_path / "c", "FROM scratch\nCOPY Dockerfile /\n"))
    with lading_at(lading, "unpack", "--force", "localhost/app") as shown:
        assert shown.end() == 0
