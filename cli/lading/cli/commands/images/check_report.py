"""What the build checks found: for `lading build --check`, and in short after a build."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lading.build.errors import DockerfileError, Place
from lading.cli.display.output import escape
from lading.cli.display.progress_display import ProgressKind, emit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lading.build.graph.check_finding import CheckFinding, CheckReport
    from lading.cli.cli_session import CliSession


def show_report(session: CliSession, report: CheckReport, form: str) -> int:
    """All of it, and the exit code: 1 where there is anything to say."""
    found = len(report.findings) + (report.error is not None)
    if form == "json":
        session.output.result(json.dumps(_document(report), indent=2))
        return int(found > 0)
    for finding in report.findings:
        if session.progress == ProgressKind.json:
            _emit(finding)
        else:
            session.output.result(escape(str(finding)))
    if report.error is not None:
        raise report.error
    if not found and not session.quiet:
        session.output.note("the checks found nothing")
    return int(found > 0)


def show_findings(session: CliSession, findings: Sequence[CheckFinding]) -> None:
    """In short, after a build."""
    if session.progress == ProgressKind.json:
        for finding in findings:
            _emit(finding)
    elif findings:
        number = "1 warning" if len(findings) == 1 else f"{len(findings)} warnings"
        session.output.note(
            f"{session.output.style(number, 'yellow')} of the build checks (# check=skip=RULE silences one):"
        )
        for finding in findings:
            session.output.note(escape(f"  {finding}"))


def _emit(finding: CheckFinding) -> None:
    place = finding.place
    emit("finding", rule=finding.rule, file=place.file, line=place.line, end=place.end, text=finding.message)


def _document(report: CheckReport) -> dict[str, object]:
    """In the form of docker's `build --check`, as far as it says something."""
    warnings = [
        {"ruleName": finding.rule, "detail": finding.message, "location": _location(finding.place)}
        for finding in report.findings
    ]
    if report.error is None:
        return {"warnings": warnings}
    place = report.error.place if isinstance(report.error, DockerfileError) else None
    error = {"message": report.error.message, **({"location": _location(place)} if place else {})}
    return {"warnings": warnings, "buildError": error}


def _location(place: Place) -> dict[str, object]:
    lines = range(place.line, place.end + 1)
    return {"ranges": [{"start": {"line": line}, "end": {"line": line}} for line in lines]}
