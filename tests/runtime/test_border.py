"""What the system refuses leaves the runtime and the network as an error of Lading's, in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lading.networking.routed.routed import RoutedDriver
from lading.runtime.lifecycle.lifecycle import RuntimeConfig
from lading.runtime.process.execs import ExecOptions
from lading.runtime.runtime import Runtime
from lading.store.errors import LadingError, MachineError
from lading.store.store import Store
from suites.machine import needs

pytestmark = needs("root", "crun", "conmon")

VERBS: dict[str, Callable[[Runtime], object]] = {
    "list": lambda runtime: runtime.list(every=True),
    "find": lambda runtime: runtime.find("a"),
    "inspect": lambda runtime: runtime.inspect("a"),
    "exec": lambda runtime: runtime.execute("a", ExecOptions(("true",))),
    "logs": lambda runtime: list(runtime.logs("a")),
    "wait": lambda runtime: runtime.wait("a"),
    "kill": lambda runtime: runtime.kill("a"),
    "stop": lambda runtime: runtime.stop("a"),
    "remove": lambda runtime: runtime.remove("a", force=True),
    "recover": lambda runtime: runtime.recover(),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("damage", ["root/containers", "run/containers", "root/containers/names"])
def test_a_file_in_the_place_of_a_folder(tmp_path: Path, verb: str, damage: str) -> None:
    store = Store.open(tmp_path / "root")
    runtime = Runtime(RuntimeConfig(tmp_path / "root", tmp_path / "run"), lambda: store, None)
    place = tmp_path / damage
    for folder in (place / "names", place):
        if folder.exists():
            folder.rmdir()
    place.touch()
    try:
        VERBS[verb](runtime)
    except LadingError as error:
        assert "\n" not in error.message
    with pytest.raises(MachineError, match=damage):
        Runtime(RuntimeConfig(tmp_path / "root", tmp_path / "run"), lambda: store, None)


@pytest.mark.parametrize("damage", ["default", "default/containers", "default/lock", "default/containers/a.json"])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_networks_whose_files_are_something_else(tmp_path: Path, damage: str, kind: str) -> None:
    place = tmp_path / "network" / damage
    place.parent.mkdir(parents=True)
    place.touch() if kind == "file" else place.mkdir()
    driver = RoutedDriver(tmp_path / "network")
    for call in (driver.attachments, lambda: driver.detach("a"), lambda: driver.recover("a")):
        try:
            call()
        except LadingError as error:
            assert "\n" not in error.message
