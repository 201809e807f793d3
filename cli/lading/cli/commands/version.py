"""`lading version`."""

from __future__ import annotations

import subprocess
from importlib.metadata import version as distribution_version
from typing import Annotated, Final

import typer

from lading.cli.session import Session

_DRIVEN: Final = (("crun", "--version"), ("runc", "--version"), ("conmon", "--version"), ("nft", "--version"))


def version_line() -> str:
    """What `lading --version` prints."""
    return f"lading {distribution_version('lading')}"


def version(
    ctx: typer.Context,
    all_: Annotated[bool, typer.Option("--all", "-a", help="And of the programs that Lading drives")] = False,
) -> None:
    """Show the version of Lading and of what it drives."""
    output = Session.of(ctx).output
    output.result(version_line())
    if all_:
        for program, flag in _DRIVEN:
            output.result(f"{program}: {_ask(program, flag)}")


def _ask(program: str, flag: str) -> str:
    try:
        said = subprocess.run([program, flag], capture_output=True, text=True, check=False, timeout=5)
    except FileNotFoundError:
        return "not installed"
    return next(iter(said.stdout.splitlines()), "says nothing")
