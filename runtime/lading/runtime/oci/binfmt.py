"""What executes programs of other architectures here: the kernel's binfmt_misc (its admin-guide/binfmt-misc.rst).

An entry counts if it takes the header of such a program, is enabled, and has the flag F: only then is its interpreter
at hand in every root file system.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lading.store.errors import MachineError
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Platform

FOLDER: Final = Path("/proc/sys/fs/binfmt_misc")
_MACHINES: Final = {
    "386": (1, "little", 3),
    "amd64": (2, "little", 62),
    "arm": (1, "little", 40),
    "arm64": (2, "little", 183),
    "loong64": (2, "little", 258),
    "mips": (1, "big", 8),
    "mipsle": (1, "little", 8),
    "mips64": (2, "big", 8),
    "mips64le": (2, "little", 8),
    "ppc64": (2, "big", 21),
    "ppc64le": (2, "little", 21),
    "riscv64": (2, "little", 243),
    "s390x": (2, "big", 22),
}
"""By architecture: class, byte order and machine of an ELF header (elf.h)."""
_LARGEST: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class BinfmtEntry:
    """An entry of binfmt_misc that knows programs by their beginning."""

    name: str
    enabled: bool
    flags: str
    magic: bytes
    mask: bytes

    def takes(self, header: bytes) -> bool:
        """Whether a program that begins with `header` is one of its own."""
        return all(one & mask == two & mask for one, two, mask in zip(header, self.magic, self.mask, strict=False))


@dataclass(frozen=True, slots=True)
class BinfmtEmulators:
    """Those of this machine; `folder` is where binfmt_misc is mounted."""

    folder: Path = FOLDER

    def emulator(self, platform: Platform) -> str:
        """The entry that executes programs of `platform`. Raises `MachineError`, which says what is missing."""
        if platform.os != "linux" or platform.architecture not in _MACHINES:
            raise MachineError("no emulator of it is known", hint="build it on a machine of that kind")
        hint = "install qemu-user-static (docker run --privileged tonistiigi/binfmt does the same)"
        if not (self.folder / "status").exists():
            raise MachineError(f"binfmt_misc is not mounted on {self.folder}", hint=f"mount it, and {hint}")
        if not _enabled((self.folder / "status").read_text()):
            raise MachineError("binfmt_misc is disabled", hint=f"write 1 to {self.folder}/status")
        header = _header(platform.architecture)
        found = [entry for entry in self._entries() if entry.enabled and entry.takes(header)]
        if not found:
            raise MachineError(f"no entry of binfmt_misc takes programs of {platform.architecture}", hint=hint)
        fixed = [entry for entry in found if "F" in entry.flags]
        if not fixed:
            words = f"the entry {found[0].name} of binfmt_misc has no flag F, and no step has its interpreter"
            raise MachineError(words, hint=hint)
        return fixed[0].name

    def _entries(self) -> Iterator[BinfmtEntry]:
        for name in sorted(os.listdir(self.folder)):
            if name not in ("status", "register"):
                entry = _entry(name, (self.folder / name).read_text("utf-8", "replace")[:_LARGEST])
                if entry is not None:
                    yield entry


def _enabled(text: str) -> bool:
    return text.startswith("enabled")


def _entry(name: str, text: str) -> BinfmtEntry | None:
    """None for one that goes by the extension of a file's name."""
    values = {word: rest for word, _, rest in (line.partition(" ") for line in text.splitlines()[1:])}
    if "magic" not in values or values.get("offset", "0") != "0":
        return None
    magic = bytes.fromhex(values["magic"])
    mask = bytes.fromhex(values["mask"]) if "mask" in values else b"\xff" * len(magic)
    return BinfmtEntry(name, _enabled(text), values.get("flags:", ""), magic, mask)


def _header(architecture: str) -> bytes:
    """How an executable of an architecture begins."""
    size, order, machine = _MACHINES[architecture]
    little = order == "little"
    ident = b"\x7fELF" + bytes([size, 1 if little else 2, 1]) + bytes(9)
    return ident + b"".join(value.to_bytes(2, "little" if little else "big") for value in (2, machine))
