"""The `lading` command as a user has it: a child process with a root folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from suites.patience import PATIENCE

LADING = Path(sys.executable).with_name("lading")


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


@dataclass
class Lading:
    """One root; `environment` is all the command sees beside PATH and HOME; it is called in `folder`."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None

    def variables(self, **more: str) -> dict[str, str]:
        """The environment of a call."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root.parent),
            "LADING_ROOT": str(self.root),
            "LADING_PASSWORD": "pw",
            **self.environment,
            **more,
        }

    def call(self, *words: object, stdin: str | None = None, **variables: str) -> Said:
        """Runs `lading WORDS`."""
        done = subprocess.run(
            [LADING, *map(str, words)],
            env=self.variables(**variables),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            cwd=self.folder,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def ok(self, *words: object, **variables: str) -> str:
        """As `call`; it has to succeed. Standard output without the last newline."""
        said = self.call(*words, **variables)
        assert said.code == 0, f"lading {' '.join(map(str, words))}: {said.code}\n{said.out}{said.err}"
        return said.out.rstrip("\n")

    def fails(self, code: int, *words: object, **variables: str) -> str:
        """As `call`; it has to fail with `code`, saying so in one line and perhaps a hint. The line."""
        said = self.call(*words, **variables)
        assert said.code == code, f"lading {' '.join(map(str, words))}: {said.code}\n{said.out}{said.err}"
        lines = [line for line in said.err.splitlines() if line.startswith("lading: ")]
        assert len(lines) == 1, said.err
        assert "Traceback" not in said.err
        assert "internal error" not in said.err, said.err
        return lines[0]


def another(first: Lading, folder: Path) -> Lading:
    """Another machine of the same people: their keys and policy, and nothing else."""
    made = Lading(folder)
    made.root.mkdir(mode=0o700)
    shutil.copytree(first.root / "keys", made.root / "keys")
    shutil.copy(first.root / "policy.yaml", made.root)
    return made


def context(folder: Path, dockerfile: str, **files: str) -> Path:
    """A build context."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Dockerfile").write_text(dockerfile)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def busybox(folder: Path, extra: str = "") -> Path:
    """A context that makes a small image with busybox."""
    made = context(folder, f'FROM scratch\nCOPY bin /bin\n{extra}CMD ["/bin/sh"]\n')
    (made / "bin").mkdir(exist_ok=True)
    source = shutil.which("busybox")
    assert source is not None
    shutil.copy(source, made / "bin/busybox")
    for applet in ("sh", "cat", "echo", "true", "sleep", "ls", "id", "env", "wget", "httpd", "touch", "kill"):
        link = made / "bin" / applet
        if not link.is_symlink():
            link.symlink_to("busybox")
    return made
