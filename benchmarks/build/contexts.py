"""What is built: folders of files with a Dockerfile, the same in every run."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

_LINE = b"all that a file of text holds is lines much like one another, number %d\n"
_BLOCK = 1 << 16


def files(folder: Path, count: int, big: int = 0) -> Path:
    """`count` small files in folders of a hundred, one of `big` bytes; copied as a whole between two RUNs."""
    _busybox(folder)
    chance = random.Random(1)
    for number in range(count):
        place = folder / "src" / f"{number // 100:03}"
        place.mkdir(parents=True, exist_ok=True)
        change(place / f"{number:05}.txt", chance.randrange(1 << 30), chance.randrange(200, 6000))
    if big:
        with (folder / "src" / "big").open("wb") as stream:
            for _ in range(big // (2 * _BLOCK)):
                stream.write(chance.randbytes(_BLOCK))
                stream.write((_LINE % chance.randrange(1 << 30) * _BLOCK)[:_BLOCK])
    (folder / "Dockerfile").write_text(
        "FROM scratch\nCOPY bin /bin\n"
        'RUN ["/bin/busybox", "mkdir", "/srv"]\n'
        "COPY src /srv/app\n"
        'RUN ["/bin/busybox", "sh", "-c", "busybox ls /srv/app > /srv/list"]\n'
        'CMD ["/bin/busybox", "true"]\n'
    )
    return folder


def change(file: Path, number: int, size: int = 3000) -> None:
    """Writes a file of text that `number` makes."""
    file.write_bytes((_LINE % number * (size // len(_LINE) + 1))[:size])


def stages(folder: Path, count: int) -> Path:
    """Stages that do not stand on each other, each at work for a moment, and one that takes something of each."""
    _busybox(folder)
    work = "i=0; while [ $i -lt 12 ]; do busybox sha256sum /bin/busybox; i=$((i+1)); done > /out"
    lines = []
    for number in range(count):
        lines += [
            f"FROM scratch AS s{number}",
            "COPY bin /bin",
            f'RUN ["/bin/busybox", "sh", "-c", "{work}; : {number}"]',
        ]
    lines += ["FROM scratch", *(f"COPY --from=s{number} /out /out{number}" for number in range(count))]
    (folder / "Dockerfile").write_text("\n".join(lines) + "\n")
    return folder


def instructions(folder: Path, count: int, layers: int) -> Path:
    """`count` instructions, `layers` of them copying a file of their own."""
    (folder / "src").mkdir(parents=True)
    every = count // layers
    lines = ["FROM scratch"]
    for number in range(1, count):
        if number % every:
            lines.append(
                f'LABEL label{number}="value {number}"' if number % 2 else f"ENV VARIABLE{number}=value{number}"
            )
        else:
            change(folder / "src" / f"{number}", number)
            lines.append(f"COPY src/{number} /srv/")
    change(folder / "src" / "last", count)
    lines.append("COPY src/last /srv/")
    (folder / "Dockerfile").write_text("\n".join(lines) + "\n")
    return folder


def _busybox(folder: Path) -> None:
    (folder / "bin").mkdir(parents=True)
    shutil.copy(shutil.which("busybox", path=os.environ["PATH"]) or "/bin/busybox", folder / "bin" / "busybox")
