"""Other surroundings than those of this call, so that a build which depends on them gives itself away."""

from __future__ import annotations

import locale
import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lading.store.store import Store
from lading.store.system.locks import locked_folder
from lading.store.system.private_folders import private_folder
from lading.store.system.removal import remove_tree

if TYPE_CHECKING:
    from lading.host.host import Host

AHEAD: Final = 1000 * 86400.0
"""Seconds by which the clock of the builder is ahead. Steps see the machine's own, which is later anyway."""
_VARIABLES: Final = {"TZ": "Pacific/Kiritimati", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "HOME": "/nowhere"}


def clock() -> float:
    """Another time than now."""
    return time.time() + AHEAD


@contextmanager
def other_store(host: Host) -> Generator[Store, None, None]:
    """A new store in a root of its own, gone in the end; what a killed one leaves, the next build removes."""
    works = private_folder(host.configuration.root / "cache" / "work")
    work, lock = locked_folder(works)
    try:
        with Store.open(work / "elsewhere" / "root", host.configuration.limits.get("layer")) as store:
            yield store
    finally:
        remove_tree(work)
        os.close(lock)


@contextmanager
def other_surroundings() -> Generator[None, None, None]:
    """Another umask, folder, time zone and language, of this whole process."""
    before = {name: os.environ.get(name) for name in _VARIABLES}
    folder, mask = Path.cwd(), os.umask(0o077)
    spoken = locale.setlocale(locale.LC_ALL)
    try:
        os.chdir("/")
        _set(_VARIABLES)
        with suppress(locale.Error):  # where this machine does not have it
            locale.setlocale(locale.LC_ALL, _VARIABLES["LC_ALL"])
        yield
    finally:
        _set(before)
        locale.setlocale(locale.LC_ALL, spoken)
        os.umask(mask)
        os.chdir(folder)


def _set(variables: dict[str, str | None] | dict[str, str]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    time.tzset()
