"""Ages and sizes as they are given to what removes, and its question before it does."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lading.cli.cli_session import CliSession
from lading.cli.display.filters import Filters
from lading.cli.display.output import size
from lading.store.errors import UsageError


def before(wanted: Filters, now: float) -> float | None:
    """The earliest moment that ``--filter until=`` names, None where it is not given. Raises `UsageError`."""
    texts = wanted.get("until")
    return earliest(texts, now) if texts else None


def earliest(texts: Sequence[str], now: float) -> float:
    """The earliest of the moments that values of ``--filter until=`` name. Raises `UsageError`."""
    from lading.runtime.containers.logs import moment  # noqa: PLC0415

    return min(moment(text, now, "filter until") for text in texts)


def confirm(session: CliSession, lines: Sequence[str], *, force: bool) -> bool:
    """Asks at a terminal whether to remove what the `lines` say. Raises `UsageError` where there is nobody to ask."""
    if force:
        return True
    if not sys.stdin.isatty():
        raise UsageError(
            f"this removes {', '.join(lines)}", hint="-f does it without asking; there is no terminal to ask at"
        )
    session.output.note("This removes:")
    for line in lines:
        session.output.note(f"  - {line}")
    from lading.cli.display.questions import ask  # noqa: PLC0415 - only where somebody is there

    return ask("Go on? [y/N] ").lower() in ("y", "yes")


def say_total(session: CliSession, freed: int) -> None:
    """The last line of what removes."""
    session.output.result(f"Total reclaimed space: {size(freed)}")
