"""`lading images`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Final

from lading.cli.calls.amounts import earliest
from lading.cli.calls.option_values import boolean
from lading.cli.cli_session import CliSession
from lading.cli.display.filters import LABELS, Filters, filters, labels_pass
from lading.cli.display.listing import check_format, show_list
from lading.cli.display.output import since, size, unix_time
from lading.host.images.images import Listed
from lading.registry.reference import Reference
from lading.store.errors import UsageError

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import Filter, ListFormat, Quiet

_HEADS: Final = {
    "ID": "IMAGE ID",
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Digest": "DIGEST",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Size": "SIZE",
}
_FILTERS: Final = LABELS | {"dangling", "before", "since", "reference", "until"}


def images(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[REPOSITORY[:TAG]]", help="Only these")] = None,
    all_: Annotated[bool, typer.Option("-a", "--all", help="And those without a name")] = False,
    filter_: Filter = None,
    quiet: Quiet = False,
    digests: Annotated[bool, typer.Option("--digests", help="Whole digests, too")] = False,
    no_trunc: Annotated[bool, typer.Option("--no-trunc", help="Whole IDs")] = False,
    format_: ListFormat = "table",
) -> None:
    """List images."""
    session = CliSession.of(ctx)
    check_format(format_)
    wanted = filters(filter_, _FILTERS)
    every = list(session.host.images.all())
    # As docker shows them: those without a name when they are asked for.
    shown = [row for row in every if row.name or all_ or "dangling" in wanted]
    rows = [row for row in shown if name is None or _matches(row.name, name)]
    rows = _filtered(session, rows, wanted, every)
    if quiet and format_ == "table":
        for digest in dict.fromkeys(row.descriptor.digest for row in rows):
            session.output.result(str(digest) if digests or no_trunc else digest.short)
        return
    columns = ("Repository", "Tag", *(("Digest",) if digests else ()), "ID", "CreatedSince", "Size")
    show_list(session.output, format_, (_row(row, whole=no_trunc) for row in rows), _HEADS, columns)


def _matches(full: str, wanted: str) -> bool:
    if not full:
        return False
    reference = Reference.parse(full)
    other = Reference.parse(wanted)
    if reference.repository_name != other.repository_name:
        return False
    return ":" not in wanted.rpartition("/")[2] or reference.tag == other.tag


def _row(row: Listed, *, whole: bool) -> dict[str, object]:
    repository, tag = _name(row.name)
    digest = row.descriptor.digest
    return {
        "ID": str(digest) if whole else digest.short,
        "Repository": repository,
        "Tag": tag,
        "Digest": str(digest),
        "CreatedSince": since(row.created),
        "CreatedAt": row.created or "",
        "Size": "incomplete" if row.size is None else size(row.size),
    }


def _name(full: str) -> tuple[str, str]:
    if not full:
        return "<none>", "<none>"
    reference = Reference.parse(full)
    return Reference(reference.registry, reference.repository).familiar, reference.tag or "<none>"


def _filtered(session: CliSession, rows: Sequence[Listed], wanted: Filters, every: Iterable[Listed]) -> list[Listed]:
    tests = [_test(session, name, values, every) for name, values in wanted.items()]
    return [row for row in rows if all(test(row) for test in tests)]


def _test(session: CliSession, name: str, values: Sequence[str], every: Iterable[Listed]) -> Callable[[Listed], bool]:
    if name == "dangling":
        dangling = bool(boolean(values[-1], "--filter dangling"))
        return lambda row: ("@" in row.name or not row.name) is dangling
    if name in LABELS:
        return lambda row: labels_pass(row.labels, {name: values})
    if name == "reference":
        return lambda row: any(_like(row.name, pattern) for pattern in values)
    moment = earliest(values, time.time()) if name == "until" else _other(session, name, values[-1], every)
    after = name == "since"
    return lambda row: (made := unix_time(row.created)) is not None and (made > moment if after else made < moment)


def _like(full: str, pattern: str) -> bool:
    """Whether a shell's pattern fits the name, written in full or as people write it, with or without the tag."""
    if not full:
        return False
    reference = Reference.parse(full)
    familiar = reference.familiar
    names = {full, familiar, full.removesuffix(f":{reference.tag}"), familiar.removesuffix(f":{reference.tag}")}
    return any(fnmatchcase(name, pattern) and name.count("/") == pattern.count("/") for name in names)


def _other(session: CliSession, name: str, text: str, every: Iterable[Listed]) -> float:
    """When another image was made."""
    digest = session.host.images.get(text).descriptor.digest
    made = next((row.created for row in every if row.descriptor.digest == digest), None)
    moment = unix_time(made)
    if moment is None:
        raise UsageError(f"--filter {name}={text}: it does not say when it was made")
    return moment
