"""`lading version`."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import version as distribution_version
from typing import TYPE_CHECKING, Annotated, Final

from lading.cli.cli_session import CliSession
from lading.cli.display.output import version_line
from lading.store.oci.platforms import host_platform

if TYPE_CHECKING:
    import typer

_DRIVEN: Final = (("crun", "--version"), ("runc", "--version"), ("conmon", "--version"), ("nft", "--version"))


def version(
    ctx: typer.Context,
    all_: Annotated[bool, typer.Option("--all", "-a", help="And of the programs that Lading drives")] = False,
    format_: Annotated[
        str, typer.Option("-f", "--format", metavar="json|TEMPLATE", help="A Go template: '{{.Client.Version}}'")
    ] = "",
) -> None:
    """Show the version of Lading, and with -a of what it drives."""
    output = CliSession.of(ctx).output
    if format_:
        _templated("{{json .}}" if format_ == "json" else format_)
        return
    output.result(version_line())
    if all_:
        for program, flag in _DRIVEN:
            output.result(f"{program}: {_ask(program, flag)}")


def _templated(text: str) -> None:
    """Docker's names; there is no daemon, so that what drives and what is driven is this program."""
    from lading.cli.display.listing import write  # noqa: PLC0415
    from lading.cli.templates.executing import Template  # noqa: PLC0415
    from lading.cli.templates.go_values import document  # noqa: PLC0415

    own = {
        "Version": distribution_version("lading"),
        "Os": sys.platform,
        "Arch": host_platform().architecture,
        "PythonVersion": platform.python_version(),
        "KernelVersion": platform.release(),
    }
    driven = {program: _ask(program, flag) for program, flag in _DRIVEN}
    data = {"Client": own, "Server": {**own, "Components": driven}}
    write(Template(text).render(document(data, frozenset({"Components"}))))


def _ask(program: str, flag: str) -> str:
    try:
        said = subprocess.run([program, flag], capture_output=True, text=True, check=False, timeout=5)
    except FileNotFoundError:
        return "not installed"
    return next(iter(said.stdout.splitlines()), "says nothing")
