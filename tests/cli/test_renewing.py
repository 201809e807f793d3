"""Bytes that somebody changed: the hint of the refusal leads to the image as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from suites.commands import Lading, busybox, context
from suites.machine import needs
from suites.registry_server import running_server

pytestmark = needs("root", "overlay", "crun", "conmon", "busybox")


@pytest.fixture
def lading(tmp_path: Path) -> Lading:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    lading.ok("build", "-q", "-t", "localhost/base", busybox(tmp_path / "base", "RUN echo base >/base\n"))
    lading.ok("build", "-q", "-t", "localhost/app", app(tmp_path))
    return lading


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    with running_server(tmp_path / "registry") as address:
        yield address


def app(tmp_path: Path) -> Path:
    return context(tmp_path / "app", "FROM localhost/base\nCOPY f /f\n", f="as it was built")


def tamper(lading: Lading, image: str, at: int) -> None:
    """Changes the last byte of the blob of a layer."""
    digest = json.loads(lading.ok("inspect", image))[0]["Layers"][at]["digest"]
    file = lading.root / "blobs" / digest.replace(":", "/")
    data = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def refused(lading: Lading, image: str) -> str:
    """The command that the hint of the refusal names."""
    said = lading.call("run", "--rm", image, "cat", "/f")
    assert said.code == 125
    assert "was changed" in said.err
    return said.err.partition("hint: `lading ")[2].partition("`")[0]


def test_what_was_built_is_built_anew(lading: Lading, tmp_path: Path) -> None:
    tamper(lading, "localhost/app", -1)
    assert refused(lading, "localhost/app") == "build -t localhost/app:latest ..."
    lading.ok("build", "-q", "-t", "localhost/app", app(tmp_path))
    assert lading.ok("run", "--rm", "localhost/app", "cat", "/f") == "as it was built"


def test_a_layer_of_a_base_is_that_of_the_base(lading: Lading, tmp_path: Path) -> None:
    tamper(lading, "localhost/app", 0)
    assert refused(lading, "localhost/app") == "build -t localhost/base:latest ..."
    lading.ok("build", "-q", "-t", "localhost/base", busybox(tmp_path / "base", "RUN echo base >/base\n"))
    assert lading.ok("run", "--rm", "localhost/app", "cat", "/f") == "as it was built"


@pytest.mark.parametrize("at", [0, -1])
def test_what_was_pulled_is_pulled_anew(lading: Lading, registry: str, at: int) -> None:
    name = f"{registry}/app:1"
    lading.ok("push", "-q", "localhost/app", name)
    lading.ok("rmi", "-f", "localhost/app", "localhost/base")
    lading.ok("builder", "prune", "-fa")
    lading.ok("pull", "-q", name)
    tamper(lading, name, at)
    hint = refused(lading, name)
    assert hint == f"pull {name}"
    lading.ok(*hint.split())
    assert lading.ok("run", "--rm", name, "cat", "/f") == "as it was built"


def test_an_archive_brings_it_anew(lading: Lading, tmp_path: Path) -> None:
    lading.ok("save", "-o", tmp_path / "saved.tar", "localhost/app")
    tamper(lading, "localhost/app", -1)
    lading.ok("load", "-q", "-i", tmp_path / "saved.tar")
    assert lading.ok("run", "--rm", "localhost/app", "cat", "/f") == "as it was built"
