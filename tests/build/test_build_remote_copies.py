"""ADD of what is elsewhere gives the trees that BuildKit gives, and is refused where it refuses.

Its trees were recorded (`programs/record_copies.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lading.registry.client_config import ClientConfig
from lading.registry.http.transport import HttpxTransport
from lading.store.errors import LadingError
from suites.building import Bench
from suites.copies import copies_context
from suites.machine import needs
from suites.programs import tree
from suites.remote_copies import REMOTE_CASES, remote_servers

pytestmark = needs("root", "overlay", "git")
RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "programs/remote_copies.json").read_text())


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("copies") / "store")
    transport = HttpxTransport(ClientConfig())
    bench.environment = replace(bench.environment, transport=transport)
    yield bench
    transport.close()
    bench.close()


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copies_context(tmp_path_factory.mktemp("copies") / "context")


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with remote_servers(tmp_path_factory.mktemp("servers")) as names:
        yield names


def test_all_cases_are_recorded() -> None:
    assert list(RECORDED) == list(REMOTE_CASES)


@pytest.mark.parametrize("case", REMOTE_CASES)
def test_as_buildkit(bench: Bench, context: Path, names: dict[str, str], case: str) -> None:
    expected, text = RECORDED[case], f"FROM scratch\n{REMOTE_CASES[case].format(**names)}".encode()
    if isinstance(expected, str):
        with pytest.raises(LadingError, match=r"^Dockerfile:\d: "):
            bench.build(context, dockerfile=text)
        return
    assert tree(bench.store, bench.build(context, dockerfile=text).descriptor) == expected
