"""Prints what this machine has, and with CI=true fails a run that skipped what could have run here."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from suites.machine import FEATURES, PROGRAMS, present

GO_PROGRAMS = {"cosign", "crane", "oras", "regctl", "distribution", "buildkitd", "buildx"}
RECORDED = {"syft"}
"""Programs that take too long to be made; what they say is recorded beside the tests."""
_NEEDS = re.compile(r"needs ([\w., -]+)")


def _obtainable(need: str) -> bool:
    """Whether this machine has `need`, or `scripts/bootstrap --peers` should have brought it."""
    if need in FEATURES or need in RECORDED:
        return present(need)
    if need in GO_PROGRAMS:
        return shutil.which("go") is not None
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def pytest_report_header() -> list[str]:
    names = sorted([*PROGRAMS, *FEATURES])
    have = [name for name in names if present(name)]
    lack = [name for name in names if not present(name)]
    return [f"machine has: {', '.join(have)}", f"machine lacks: {', '.join(lack) or 'nothing'}"]


class _Skips:
    def __init__(self) -> None:
        self.wrong: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._look(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._look(report)

    def _look(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if "got empty parameter set" in reason and not present("vectors"):
            return  # its rows are theirs
        match = _NEEDS.search(reason)
        names = [name.strip() for name in match[1].split(",")] if match else []
        if not names or all(_obtainable(name) for name in names if name in FEATURES or name in PROGRAMS):
            self.wrong.append(f"{report.nodeid}: {reason}")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.wrong and os.environ.get("CI") == "true":
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self.wrong:
            terminalreporter.write_line(f"skipped although this machine could have run it: {line}")


def pytest_configure(config: pytest.Config) -> None:
    # Under nohup, or in a shell's background, every child would ignore these too, and wait for ever.
    for number, handler in (
        (signal.SIGHUP, signal.SIG_DFL),
        (signal.SIGQUIT, signal.SIG_DFL),
        (signal.SIGINT, signal.default_int_handler),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
    # A slow machine is no fault: no example has a deadline, nor is it wrong to be slow in making one.
    settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")
    config.pluginmanager.register(_Skips(), "lading-skips")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A name without made-up bytes (a fresh key, an archive's time): every worker collects the same names."""
    return argname if isinstance(val, bytes) and len(val) > 16 else None


@pytest.fixture(autouse=True)
def _no_user_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test reads the keys, the passwords or the settings of whoever runs it."""
    for name in [name for name in os.environ if name.startswith(("LADING_", "COSIGN_", "DOCKER_", "XDG_"))]:
        if name not in ("LADING_VECTORS", "LADING_PEERS", "LADING_KILLS"):
            monkeypatch.delenv(name)
    yield
