"""Calls of an ordinary user that mount, or give files owners: made again as root of a user namespace of that user."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final

from lading.cli.cli_session import OUTSIDE, CliSession, Color

_MOUNTING: Final = {
    *("build", "bake", "rebuild", "rmi", "unpack"),
    *("image prune", "builder prune", "system prune", "system df"),
}
_VALUED: Final = ("--root", "--color")
_MAIN: Final = "from lading.cli.main import main; main()"


def called_as_root(arguments: Sequence[str]) -> int | None:
    """The exit code of the call; None where it is to be made as it is."""
    if os.geteuid() == 0 or not _mounts(arguments):
        return None
    from lading.host.isolation.namespaced_calls import run_as_root  # noqa: PLC0415

    session = CliSession.from_environment(None, Color.auto)
    environment = {**os.environ, "LADING_ROOT": str(session.root), OUTSIDE: str(session.run.parent)}
    return run_as_root([sys.executable, "-I", "-c", _MAIN, *arguments], environment)


def _mounts(arguments: Sequence[str]) -> bool:
    if {"--help", "-h", "--check"} & set(arguments):
        return False
    words: list[str] = []
    rest = iter(arguments)
    for word in rest:
        if word in _VALUED:
            next(rest, None)
        elif not word.startswith("-"):
            words.append(word)
    return bool({words[0], " ".join(words[:2])} & _MOUNTING) if words else False
