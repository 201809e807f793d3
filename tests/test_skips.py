"""A full run ends well with skips that nothing here could have prevented, and fails with all others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FAULT = "skipped although this machine could have run it"


def _run(folder: Path, body: str, *, ci: str = "true", path: str = "") -> subprocess.CompletedProcess[str]:
    """A run of one test file under this folder's conftest, on a machine with only the programs in `path`."""
    (folder / "test_it.py").write_text(body)
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))},
        "CI": ci,
        "PATH": path or str(folder / "empty"),
        "LADING_PEERS": str(folder / "empty"),
        "PYTHONPATH": str(TESTS),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "conftest", "-p", "no:cacheprovider", "--rootdir", folder, folder],
        capture_output=True,
        text=True,
        env=variables,
        cwd=folder,
    )


def _needing(*names: str) -> str:
    words = ", ".join(f'"{name}"' for name in names)
    return f"from suites.machine import needs\n\n@needs({words})\ndef test_it(): pass\n"


@pytest.mark.parametrize("names", [("syft",), ("cosign",), ("buildkitd", "syft")])
def test_what_cannot_be_had_here_may_be_skipped(tmp_path: Path, names: tuple[str, ...]) -> None:
    ran = _run(tmp_path, _needing(*names))
    assert (ran.returncode, FAULT in ran.stdout) == (0, False), ran.stdout + ran.stderr
    assert "1 skipped" in ran.stdout


def test_a_skip_for_a_program_that_go_would_have_made_is_a_fault(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "go").symlink_to("/bin/true")
    ran = _run(tmp_path, _needing("cosign"), path=str(programs))
    assert (ran.returncode, FAULT in ran.stdout) == (1, True), ran.stdout + ran.stderr


@pytest.mark.parametrize("reason", ["", "too slow today"])
def test_a_skip_that_names_no_need_is_a_fault_in_ci_alone(tmp_path: Path, reason: str) -> None:
    body = f"import pytest\n\ndef test_it(): pytest.skip({reason!r})\n"
    ran = _run(tmp_path, body)
    assert (ran.returncode, FAULT in ran.stdout) == (1, True), ran.stdout + ran.stderr
    assert _run(tmp_path, body, ci="").returncode == 0
