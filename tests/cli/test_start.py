"""What the verbs people repeat leave alone: nobody waits for a module that is not used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from suites.commands import Lading, busybox
from suites.machine import needs
from suites.patience import PATIENCE
from suites.screen import terminal

HEAVY = {
    *("httpx", "httpcore", "rich", "zstandard", "yaml", "nacl", "jsonschema", "pydantic", "granian", "asyncio"),
    *(
        "tarfile",
        "email",
        "http.client",
        "urllib.request",
        "lading.build",
        "lading.registry.client.client",
        "typer",
        "cryptography.hazmat.backends.openssl.backend",
        "subprocess",
        "shutil",
        "secrets",
        "dataclasses",
        "inspect",
        "rfc8785",
        "_hashlib",
    ),
}
CODE = "import sys\nfrom lading.cli.main import call\ncode = call(sys.argv[1:])\nprint(code, *sys.modules)"


@pytest.fixture(scope="module")
def lading(tmp_path_factory: pytest.TempPathFactory) -> Lading:
    folder = tmp_path_factory.mktemp("start")
    made = Lading(folder / "root")
    made.ok("keygen")
    made.ok("build", "-q", "-t", "bb", busybox(folder / "context", "CMD true\n"))
    made.ok("verify", "--local", "bb")  # the policy is read as YAML here
    return made


def loaded(root: Path, *words: str) -> set[str]:
    """The modules that `lading WORDS` imports; it has to succeed."""
    environment = {"PATH": os.environ["PATH"], "LADING_ROOT": str(root), "LADING_PASSWORD": "pw"}
    argv = [sys.executable, "-c", CODE, *words]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    code, *modules = done.stdout.splitlines()[-1].split()
    assert code == "0", done.stderr
    return set(modules)


@needs("root", "overlay", "crun", "conmon", "nft", "ip", "busybox")
@pytest.mark.parametrize("network", ["none", "default"])
def test_run_of_a_local_image_imports_what_it_needs(lading: Lading, network: str) -> None:
    lading.ok("run", "--rm", "--network", network, "bb", "true")  # the first unpacks and seals
    assert not loaded(lading.root, "run", "--rm", "--network", network, "bb", "true") & HEAVY


@needs("root", "overlay", "crun", "conmon", "busybox")
def test_signatures_are_reckoned_again_for_whoever_does_not_just_run_it(lading: Lading, tmp_path: Path) -> None:
    words = ("run", "--rm", "--network", "none", "bb", "true")
    named = tmp_path / "policy.yaml"
    named.write_text((lading.root / "policy.yaml").read_text())
    key = tmp_path / "other"
    lading.ok("--root", str(key), "keygen")
    (lading.root / "policy.yaml").replace(tmp_path / "own.yaml")
    (lading.root / "policy.yaml").write_text((key / "policy.yaml").read_text())
    try:
        lading.fails(125, *words)
    finally:
        (tmp_path / "own.yaml").replace(lading.root / "policy.yaml")
    lading.ok(*words)
    assert "cryptography" not in loaded(lading.root, *words)
    assert "cryptography" in loaded(lading.root, "run", "--policy", str(named), *words[1:])
    assert loaded(lading.root, "verify", "--local", "bb") & {"cryptography", "nacl"} == {"cryptography"}


@needs("root", "overlay", "busybox")
def test_what_opens_private_keys_is_there_only_to_open_one(lading: Lading) -> None:
    assert {"nacl", "cryptography"} <= loaded(lading.root, "sign", "bb")


@needs("root", "overlay", "busybox")
def test_a_terminal_costs_nothing_until_something_is_drawn(lading: Lading) -> None:
    with terminal([sys.executable, "-c", CODE, "inspect", "nothing"], lading.variables()) as shown:
        assert shown.end() == 0
    assert "lading.host.images.images" in shown.raw.decode()
    assert " rich" not in shown.raw.decode()


@needs("root", "overlay", "busybox")
def test_a_build_draws_at_a_terminal_alone(lading: Lading, tmp_path: Path) -> None:
    words = ("build", "-t", "drawn", str(busybox(tmp_path / "c", "CMD true\n")))
    assert "rich" not in loaded(lading.root, *words)
    with terminal([sys.executable, "-c", CODE, *words], lading.variables()) as shown:
        assert shown.end() == 0
    assert " rich.live" in shown.raw.decode()


UNUSED = {"ctypes", "socket", "lading.verify", "lading.store.archives.reader"}
STORE = {"sqlite3", "lading.store.store", "lading.store.index"}


@needs("root", "overlay", "busybox")
def test_ps_imports_nothing_that_launches_and_no_store(lading: Lading) -> None:
    assert not loaded(lading.root, "ps") & (HEAVY | UNUSED | STORE)


@needs("root", "overlay", "busybox")
def test_ps_as_the_first_call_makes_a_root_that_others_take(tmp_path: Path) -> None:
    assert loaded(tmp_path / "root", "ps") & STORE
    loaded(tmp_path / "root", "images")


@needs("root", "overlay", "busybox")
@pytest.mark.parametrize("words", [("verify", "--local", "bb"), ("images",), ("ps", "-a"), ("inspect", "bb")])
def test_looking_imports_what_it_needs(lading: Lading, words: tuple[str, ...]) -> None:
    assert not loaded(lading.root, *words) & HEAVY


def test_the_list_of_commands_loads_nothing_of_any(tmp_path: Path) -> None:
    found = loaded(tmp_path / "root", "--help")
    allowed = {"textwrap", "shutil"}
    assert not found & ((HEAVY | UNUSED | {"pathlib", "hashlib", "json", "sqlite3", "lading.host"}) - allowed)
