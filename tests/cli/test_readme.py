"""What the README shows of the commands is what they say."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from suites.commands import LADING

README = (Path(__file__).parents[2] / "README.md").read_text()
SHOWN = re.findall(r"```console\n\$ (lading [^\n]*--help)\n(.*?)```", README, re.DOTALL)


def test_there_is_help_in_the_readme() -> None:
    assert "lading --help" in [command for command, _ in SHOWN]


@pytest.mark.parametrize(("command", "text"), SHOWN, ids=[command for command, _ in SHOWN])
def test_help_in_the_readme_is_what_the_command_says(command: str, text: str) -> None:
    words = command.split()[1:]
    environment = {**os.environ, "COLUMNS": "100"}
    said = subprocess.run([LADING, *words], capture_output=True, text=True, check=True, env=environment)
    assert said.stdout.strip() == text.strip()
