"""What executes programs of other architectures: asked of a real binfmt_misc in a user namespace."""

from __future__ import annotations

import json

import pytest

from suites.binfmt import FOLDER, MAGIC, inside, line
from suites.machine import needs

pytestmark = needs("root", "unshare", "binfmt")

ASK = """
import json, sys
from lading.runtime.oci.binfmt import BinfmtEmulators
from lading.store.errors import LadingError
from lading.store.oci.platforms import parse_platform

found = []
for word in sys.argv[1:]:
    try:
        found.append(BinfmtEmulators().emulator(parse_platform(word)))
    except LadingError as error:
        found.append([error.message, str(error.hint)])
print(json.dumps(found))
"""


def ask(*words: str, lines: tuple[str, ...] = (), mounted: bool = True) -> list[object]:
    found: list[object] = json.loads(inside(ASK, *words, lines=lines, mounted=mounted))
    return found


def test_the_entry_whose_magic_fits() -> None:
    lines = tuple(line(name) for name in MAGIC)
    words = ("linux/arm64", "linux/arm/v6", "linux/riscv64", "linux/ppc64le", "linux/s390x")
    assert ask(*words, lines=lines) == ["qemu-aarch64", "qemu-arm", "qemu-riscv64", "qemu-ppc64le", "qemu-s390x"]


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ((), "no entry of binfmt_misc takes programs of arm64"),
        ((line("qemu-arm"), line("qemu-s390x")), "no entry of binfmt_misc takes programs of arm64"),
        ((line("qemu-aarch64", "OP"),), "the entry qemu-aarch64 of binfmt_misc has no flag F, and no step has its"),
        ((":x:E::arm64::/usr/bin/env:F",), "no entry of binfmt_misc takes programs of arm64"),
    ],
)
def test_what_is_missing_is_said(lines: tuple[str, ...], error: str) -> None:
    (found,) = ask("linux/arm64", lines=lines)
    assert isinstance(found, list)
    assert found[0].startswith(error)
    assert found[1].startswith("install qemu-user-static")


def test_without_binfmt_misc() -> None:
    ((error, hint),) = ask("linux/arm64", mounted=False)  # type: ignore[misc]
    assert error == f"binfmt_misc is not mounted on {FOLDER}"
    assert hint.startswith("mount it, and install qemu-user-static")


def test_entries_that_are_switched_off() -> None:
    off = f"open('{FOLDER}/qemu-aarch64', 'w').write('0')\n"
    ((error, _),) = json.loads(inside(off + ASK, "linux/arm64", lines=[line("qemu-aarch64")]))
    assert error.startswith("no entry of binfmt_misc")
    off = f"open('{FOLDER}/status', 'w').write('0')\n"
    ((error, hint),) = json.loads(inside(off + ASK, "linux/arm64", lines=[line("qemu-aarch64")]))
    assert (error, hint) == ("binfmt_misc is disabled", f"write 1 to {FOLDER}/status")


@pytest.mark.parametrize("word", ["windows/amd64", "linux/wasm"])
def test_what_no_emulator_is_known_of(word: str) -> None:
    ((error, _),) = ask(word)  # type: ignore[misc]
    assert error == "no emulator of it is known"
