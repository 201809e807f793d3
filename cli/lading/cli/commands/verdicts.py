"""How verdicts are told: at a glance, with everything on demand, and as JSON."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, TextIO

from lading.cli.calls.option_values import short
from lading.cli.display.output import Output, column, escape, folded
from lading.cli.display.remedies import message_of
from lading.store.errors import LadingError

if TYPE_CHECKING:
    from lading.verify.judgement.decision import Decision, Ending
    from lading.verify.judgement.errors import GateError
    from lading.verify.judgement.verdict import Verdict

_INDENT: Final = 11
_SHOWN: Final = 120
"""Characters of a call that is repeated."""


def accepted(output: Output, name: str, where: str, verdict: Verdict, *, verbose: bool) -> None:
    """An acceptance, as a result."""
    from lading.verify.judgement.decision_summary import headline  # noqa: PLC0415

    word, _, by = headline(verdict.decision).partition(" ")
    line = "\n".join(folded(f"{escape(name)}  {word} {escape(by)}, from {escape(where)}", 2, sys.stdout))
    output.result(re.sub(rf"(?<=\s){word}(?=\s)", output.style(word, "green", sys.stdout), line, count=1))
    for line in _lines(output, verdict.decision, sys.stdout, verbose=verbose):
        output.result(line)


def refused(output: Output, error: GateError, *, name: str | None = None, verbose: bool) -> None:
    """A refusal, as an error; `name` is the image as it was typed."""
    from lading.verify.judgement.decision_summary import headline  # noqa: PLC0415

    decision = error.decision
    place = error.message.partition(decision.title)[0]
    shown = name or (short(decision.names[0]) if decision.names else decision.title)
    told = LadingError(f"{place}{shown}  {headline(decision)}", hint=_hint(error, verbose))
    output.error(told, _lines(output, decision, sys.stderr, verbose=verbose))


def _hint(error: GateError, verbose: bool) -> str | None:
    if error.outcome != "refused" or not error.candidates:
        return error.hint
    return None if verbose else f"with -v, everything that was looked at is listed: `{_again(sys.argv[1:])}`"


def _again(words: Sequence[str]) -> str:
    """The call as it was typed, with -v; one that is long, or has a password in it, is not repeated."""
    import shlex  # noqa: PLC0415 - only where something was refused

    line = shlex.join(words)
    return "lading -v …" if len(line) > _SHOWN or "--creds" in line else f"lading -v {line}"


def failure(error: LadingError) -> dict[str, object]:
    """The verdict on what could not even be looked at, for programs."""
    endings: dict[int, Ending] = {3: "refused", 4: "no_attestation"}
    outcome = endings.get(error.exit_code, "uncheckable")
    return {"outcome": outcome, "exit_code": error.exit_code, "accepted": False, "reason": message_of(error)}


def _lines(output: Output, decision: Decision, stream: TextIO, *, verbose: bool) -> Iterator[str]:
    """Escaped, and at a terminal broken so that the words stand in a column."""
    for mark, style, text in _marked(decision):
        first, *more = column(escape(text), _INDENT, stream)
        yield f"  {output.style(f'{mark:<8}', style, stream)} {first}"
        yield from more
    if verbose:
        for line in decision.explain():
            yield from folded(f"  {escape(line)}", 4, stream)


def _marked(decision: Decision) -> Iterator[tuple[str, str, str]]:
    """Mark, its style, and the words behind it."""
    from lading.verify.judgement.decision_summary import rows  # noqa: PLC0415

    found = rows(decision)
    where = found[0].where if found else ""
    for row in found:
        if row.where != where:
            where = row.where
            yield "scope", "dim", where
        yield ("ok", "green", row.text) if row.met else ("MISSING", "red", row.text)
    if decision.accepted and decision.basis == "policy":
        weak = decision.base_status == "unverified"
        yield from (("base", "yellow" if weak else "dim", line) for line in decision.explain_bases())
