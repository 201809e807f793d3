"""One server for the tests of a module, and a repository of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from suites.patience import PATIENCE
from suites.registry_api import Repository
from suites.registry_server import running_server

_COUNT = itertools.count()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Generator[str, None, None]:
    folder: Path = tmp_path_factory.mktemp("registry")
    with running_server(folder / "storage") as found:
        yield found


@pytest.fixture(scope="module")
def client(address: str) -> Generator[httpx.Client, None, None]:
    with httpx.Client(base_url=f"http://{address}", timeout=PATIENCE, trust_env=False) as found:
        yield found


@pytest.fixture
def repo(client: httpx.Client) -> Repository:
    return Repository(client, f"team/app-{next(_COUNT)}")


@pytest.fixture
def other(client: httpx.Client) -> Repository:
    return Repository(client, f"team/other-{next(_COUNT)}")
