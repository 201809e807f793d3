"""Entries of binfmt_misc as Debian's qemu-user-static registers them, in a user namespace of one's own."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from suites.patience import PATIENCE

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
    return call_inside([sys.executable, "-c", program, *words], lines=lines, mounted=mounted)


def call_inside(
    call: Sequence[str | Path],
    *,
    lines: Sequence[str] = (),
    mounted: bool = True,
    variables: Mapping[str, str] | None = None,
) -> str:
    """As `inside`, what any command prints."""
    script = f"mount -t binfmt_misc none {FOLDER}\n" if mounted else ""
    script += "".join(f"printf %s '{one}' > {FOLDER}/register\n" for one in lines)
    waiting = ["unshare", "-Um", "sh", "-c", 'echo; read go; exec sh -ec "$0" "$@"', script + 'exec "$@"', "sh", *call]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    child = subprocess.Popen(waiting, text=True, env=variables, **pipes)  # type: ignore[call-overload]
    child.stdout.readline()  # it has its namespace
    for kind in ("uid_map", "gid_map"):
        Path(f"/proc/{child.pid}/{kind}").write_text("0 0 65536\n")
    out, error = child.communicate("\n", timeout=PATIENCE)
    assert child.returncode == 0, error
    return str(out)


def arm64_program() -> bytes:
    """A program for Linux on arm64 that writes ``arm64`` into ``/made``, and nothing else (ELF-64, one segment)."""
    base, start, path, text = 0x400000, 0x78, b"/made\0", b"arm64\n"
    end = start + 15 * 4

    def address(at: int, register: int, target: int) -> int:
        offset = target - (start + 4 * at)
        return 0x10000000 | (offset & 3) << 29 | (offset >> 2 & 0x7FFFF) << 5 | register

    def put(register: int, value: int) -> int:
        return 0xD2800000 | value << 5 | register

    call = 0xD4000001
    code = [0x92800C60, address(1, 1, end), put(2, 0x41), put(3, 0o644), put(8, 56), call]  # openat
    code += [address(6, 1, end + len(path)), put(2, len(text)), put(8, 64), call]  # write
    code += [put(0, 0), put(8, 93), call, *[0xD503201F] * 2]  # exit
    body = struct.pack("<15I", *code) + path + text
    size = start + len(body)
    header = struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, base + start, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    return (
        b"\x7fELF\2\1\1" + bytes(9) + header + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000) + body
    )
