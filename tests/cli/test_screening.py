"""A name that no scope covers is refused before any connection is made; what does not answer could not be checked."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from suites.commands import Lading, context

NOBODY = "version: 1\nscopes:\n  localhost/none:\n    reject: true\nfrom:\n  localhost/none:\n    reject: true\n"


@pytest.fixture
def lading(tmp_path: Path) -> Lading:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    return lading


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A registry's address at which a connection would wait to be accepted."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.mark.parametrize("call", ["verify", "run", "build"])
def test_an_uncovered_name_reaches_no_registry(
    lading: Lading, tmp_path: Path, listener: socket.socket, call: str
) -> None:
    (lading.root / "policy.yaml").write_text(NOBODY)
    image = f"localhost:{listener.getsockname()[1]}/other:1"
    words = {"verify": [image], "run": [image, "true"], "build": [str(context(tmp_path, f"FROM {image}\n"))]}
    line = lading.fails(125 if call == "run" else 3, call, *words[call])
    assert "no scope of" in line
    assert f"covers {image}" in line
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_a_base_that_cannot_be_had_could_not_be_checked(lading: Lading, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"localhost:{server.getsockname()[1]}"
    line = lading.fails(5, "build", context(tmp_path, f"FROM {address}/app:1\n"))
    assert "cannot be reached" in line
