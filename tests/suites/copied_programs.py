"""Programs of this machine in a folder, with the libraries that they are linked with."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path


def copy_programs(folder: Path, *names: str) -> None:
    """Puts programs where they lie here, below `folder`, with what ldd(1) says that they need."""
    for name in names:
        program = shutil.which(name)
        assert program, name
        said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        for file in {program, *re.findall(r"(/\S+) \(0x", said)}:
            target = folder / file.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(file).resolve(), target)
