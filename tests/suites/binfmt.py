"""Entries of binfmt_misc as Debian's qemu-user-static registers them, in a user namespace of one's own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Final

FOLDER: Final = "/proc/sys/fs/binfmt_misc"
_64 = r"\xff\xff\xff\xff\xff\xff\xff%s\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff%s"
_LITTLE = r"\x7fELF\x0%d\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x%s\x00"
_BIG = r"\x7fELF\x02\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x16"
_BIG_MASK = r"\xff\xff\xff\xff\xff\xff\xff\xfc\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff"

MAGIC: Final[Mapping[str, tuple[str, str]]] = {
    "qemu-arm": (_LITTLE % (1, "28"), _64 % (r"\x00", r"\xff")),
    "qemu-aarch64": (_LITTLE % (2, "b7"), _64 % (r"\x00", r"\xff")),
    "qemu-riscv64": (_LITTLE % (2, "f3"), _64 % (r"\x00", r"\xff")),
    "qemu-ppc64le": (_LITTLE % (2, "15"), _64 % (r"\xfc", r"\x00")),
    "qemu-s390x": (_BIG, _BIG_MASK),
}


def line(name: str, flags: str = "OPF", interpreter: str = "/usr/bin/env") -> str:
    """What is written to `register`."""
    magic, mask = MAGIC[name]
    return f":{name}:M::{magic}:{mask}:{interpreter}:{flags}"


def inside(program: str, *words: str, lines: Sequence[str] = (), mounted: bool = True) -> str:
    """What a Python program prints whose user namespace has these entries; root of it is root of here."""
    script = f"mount -t binfmt_misc none {FOLDER}\n" if mounted else ""
    script += "".join(f"printf %s '{one}' > {FOLDER}/register || exit 9\n" for one in lines)
    script += 'exec "$@"'
    call = ["unshare", "-Urm", "sh", "-ec", script, "sh", sys.executable, "-c", program, *words]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
