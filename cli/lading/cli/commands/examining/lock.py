"""`lading lock`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from lading.cli.calls.option_values import OutputForm
from lading.cli.cli_session import CliSession
from lading.cli.display.output import escape
from lading.cli.endings import EndedError
from lading.store.errors import UsageError
from lading.store.oci.platforms import host_platform

if TYPE_CHECKING:
    import typer

    from lading.build.debian.locks.lock_changes import PackageChange
    from lading.build.debian.locks.locking import Locked


def lock(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A Debian package set, as build takes it with -f")],
    update: Annotated[bool, typer.Option("--update", help="Lock what the archives have now")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only say whether an update would change it")] = False,
    format_: Annotated[OutputForm, typer.Option("--format", help="How to show what changes")] = OutputForm.text,
) -> None:
    """Write down which packages a Debian package set installs.

    The lock lies beside the set: every package by version, digest and address, and the signed releases that it was
    resolved from. A build of the set then installs exactly that. Exit codes of --check: 0 up to date, 1 not.
    """
    from lading.build.debian.locks.locking import locked, write_lock  # noqa: PLC0415

    if update and check:
        raise UsageError("--update and --check: one of them")
    session = CliSession.of(ctx)
    found = locked(file, session.host.store, host_platform(), update=update or check)
    if found.differs and not check:
        write_lock(found)
    if format_ is OutputForm.json:
        session.output.result(_json(found, written=found.differs and not check))
    else:
        for line in _words(session, found, check):
            session.output.result(line)
    if check and found.differs:
        raise EndedError(1)


def _words(session: CliSession, found: Locked, check: bool) -> Iterator[str]:
    style = session.output.style
    name = escape(str(found.path))
    number = sum(len(resolution.packages) for resolution in found.lock.architectures.values())
    if not found.differs:
        yield f"{name} is up to date: {number} packages"
        return
    several = len(found.lock.architectures) > 1
    for change in () if found.is_new else found.changes:
        sign, colour = ("+", "green") if change.old is None else ("-", "red") if change.new is None else ("~", "yellow")
        where = f"{change.architecture}: " if several else ""
        yield f"{style(sign, colour)} {where}{escape(change.name)} {escape(_versions(change))}"
    done = "is not up to date" if check else "written"
    yield f"{name} {done}: {number} packages"


def _versions(change: PackageChange) -> str:
    old, new = (package and package.version for package in (change.old, change.new))
    if old and new:
        return f"{old} -> {new}" if old != new else f"{old}: another file"
    return old or new or ""


def _json(found: Locked, *, written: bool) -> str:
    value = {
        "lock": str(found.path),
        "changed": found.differs,
        "written": written,
        "packages": {name: len(resolution.packages) for name, resolution in found.lock.architectures.items()},
        "changes": [
            {
                "architecture": change.architecture,
                "name": change.name,
                "old": change.old and {"version": change.old.version, "digest": str(change.old.digest)},
                "new": change.new and {"version": change.new.version, "digest": str(change.new.digest)},
            }
            for change in found.changes
        ],
    }
    return json.dumps(value, indent=2)
