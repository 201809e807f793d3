"""Bake files (`tests/build/bake/cases.txt`) and what buildx prints for them, or that it refuses them.

A section begins with `=== NAME`; `--- env A=B` and `--- call WORDS` are of the call, `--- file NAME` begins a file;
what stands before the first is docker-bake.hcl.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suites.patience import PATIENCE

FOLDER = Path(__file__).resolve().parents[1] / "build/bake"
DIFFERENCES: dict[str, str] = {
    "Compose: a limit of one number": "both limits are that number, as the specification has it; buildx has 0",
    "Compose: reset and override": "tags of YAML's are refused by name",
    "division by zero": "an infinite number is nothing that a build can be given",
}
"""Cases that are meant to come out otherwise here, and why."""


@dataclass
class BakeCase:
    name: str
    words: list[str] = field(default_factory=list[str])
    environment: dict[str, str] = field(default_factory=dict[str, str])
    files: dict[str, str] = field(default_factory=dict[str, str])

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True)
        for name, text in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, newline="")
        with socket.socket(socket.AF_UNIX) as agent:
            agent.bind(os.path.relpath(folder / "agent"))
        return folder


def _case(section: str) -> BakeCase:
    title, _, rest = section.partition("\n")
    case, file = BakeCase(title), "docker-bake.hcl"
    for line in rest.splitlines(keepends=True):
        words = line.split(maxsplit=2)
        if line.startswith("--- env "):
            name, _, value = line.removeprefix("--- env ").rstrip("\n").partition("=")
            case.environment[name] = value
        elif line.startswith("--- call "):
            case.words = shlex.split(line.removeprefix("--- call "))
        elif line.startswith("--- file "):
            file = words[2].strip()
            case.files[file] = ""
        else:
            case.files[file] = case.files.get(file, "") + line
    return case


BAKE_CASES = [_case(section) for section in (FOLDER / "cases.txt").read_bytes().decode().split("=== ")[1:]]


def printed(program: list[str], case: BakeCase, folder: Path, home: Path) -> Any:
    """What a program prints for a case, the members of groups in order (a matrix has none); None where it refuses."""
    done = subprocess.run(
        [*program, "bake", "--print", *case.words],
        cwd=folder,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "LADING_ROOT": str(home / "root"),
            "SSH_AUTH_SOCK": "agent",
            **case.environment,
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert "internal error" not in done.stderr, done.stderr
    if done.returncode:
        return None
    found = json.loads(done.stdout)
    for group in found.get("group", {}).values():
        group["targets"] = sorted(group["targets"] or [])
    return found
